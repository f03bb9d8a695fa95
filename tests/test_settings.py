"""Settings: where they come from, which word counts, and that secrets stay secret."""

from __future__ import annotations

import stat
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from pydantic import ValidationError

from digest.errors import SettingsError
from digest.settings import Feed, Settings, load, secret_keys

Load = Callable[..., Settings]


@pytest.fixture
def loaded(tmp_path: Path) -> Load:
    """`load` in a home of its own, with digest.toml and a secrets directory made of the given texts."""
    (tmp_path / "secrets").mkdir()

    def load_here(toml: str = "", secrets: dict[str, str] | None = None, **variables: str) -> Settings:
        (tmp_path / "digest.toml").write_text(toml)
        for name, text in (secrets or {}).items():
            (tmp_path / "secrets" / name).write_text(text)
        places = {"DIGEST_HOME": str(tmp_path), "DIGEST_SECRETS": str(tmp_path / "secrets")}
        return load(places | {f"DIGEST_{name}": value for name, value in variables.items()})

    return load_here


def problems(loaded: Load, *args: object, **given: object) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        loaded(*args, **given)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return list(caught.value.problems)


# -- where they come from


def test_a_home_that_is_misspelt_is_no_empty_one(tmp_path: Path) -> None:
    """It would make a database there, find nobody due, and say that all is well."""
    with pytest.raises(SettingsError, match=r"DIGEST_HOME: there is no folder .*etc/digets"):
        load({"DIGEST_HOME": str(tmp_path / "etc/digets")})


def test_a_key_that_cannot_be_kept_says_so(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file where a folder should be")
    with pytest.raises(SettingsError, match="none can be kept"):
        secret_keys(Settings(home=tmp_path))


def test_nothing_needs_to_be_set(tmp_path: Path) -> None:
    settings = load({"DIGEST_HOME": str(tmp_path), "DIGEST_SECRETS": str(tmp_path)})
    assert settings == Settings(home=tmp_path)
    assert settings.smtp_url is None
    assert settings.sources == ("huggingface", "arxiv")
    assert settings.resolved_database_url == f"sqlite:///{tmp_path}/var/digest.sqlite"
    assert settings.path(settings.roster) == tmp_path / "subscribers.yaml"


def test_the_home_is_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("digest.toml").write_text("web_port = 80")
    settings = load({})
    assert (settings.home, settings.web_port) == (Path(), 80)
    assert settings.resolved_database_url == f"sqlite:///{tmp_path}/var/digest.sqlite"


def test_the_file_is_read(loaded: Load) -> None:
    settings = loaded(
        """
        sender = "Grüße <digest@example.org>"
        sources = ["arxiv"]
        arxiv_categories = "cs.CL, math.PR"
        web_port = 9000
        unknown = "hold"
        [[feeds]]
        name = "Journal of Ideas"
        url = "https://example.org/feed/"
        """
    )
    assert settings.sender == "Grüße <digest@example.org>"
    assert (settings.sources, settings.arxiv_categories) == (("arxiv",), ("cs.CL", "math.PR"))
    assert (settings.web_port, settings.unknown) == (9000, "hold")
    assert settings.feeds == (Feed(name="Journal of Ideas", url="https://example.org/feed"),)


def test_a_variable_beats_the_file(loaded: Load) -> None:
    settings = loaded('web_port = 1\nweb_host = "::1"\nsources = []', WEB_PORT="2", SOURCES=" arxiv , ,feed")
    assert (settings.web_port, settings.web_host, settings.sources) == (2, "::1", ("arxiv", "feed"))


def test_an_empty_variable_says_nothing(loaded: Load) -> None:
    assert loaded("web_port = 1", WEB_PORT="").web_port == 1


def test_the_command_line_beats_all(tmp_path: Path) -> None:
    environ = {"DIGEST_HOME": str(tmp_path), "DIGEST_WEB_PORT": "2", "DIGEST_SECRETS": str(tmp_path)}
    assert load(environ, web_port=3).web_port == 3


def test_secrets_fill_what_the_variables_left_out(loaded: Load) -> None:
    files = {"smtp_password": "from the file\n", "secret_key": "new,old\n", "database_password": "d", "web_port": "9"}
    settings = loaded(secrets=files, SMTP_PASSWORD="from the variable")
    assert settings.smtp_password == "from the variable"
    assert settings.secret_key == ("new", "old")
    assert settings.database_password == "d"
    assert settings.web_port == 8000, "only secrets are looked for there"


def test_systemd_names_the_secrets_directory(tmp_path: Path) -> None:
    (tmp_path / "smtp_password").write_text("s")
    assert load({"DIGEST_HOME": str(tmp_path), "CREDENTIALS_DIRECTORY": str(tmp_path)}).smtp_password == "s"


def test_variables_of_others_are_not_ours(loaded: Load) -> None:
    assert loaded(REQUIRE="pg", RECORDINGS="/somewhere") == loaded()


@pytest.mark.parametrize(
    ("url", "resolved"),
    [
        ("sqlite:///x.sqlite", "sqlite:///{home}/x.sqlite"),
        ("sqlite:////srv/x.sqlite", "sqlite:////srv/x.sqlite"),
        ("postgresql+psycopg://me@db/digest", "postgresql+psycopg://me@db/digest"),
    ],
)
def test_a_relative_database_lies_in_the_home(loaded: Load, tmp_path: Path, url: str, resolved: str) -> None:
    assert loaded(DATABASE_URL=url).resolved_database_url == resolved.format(home=tmp_path)


def test_settings_do_not_change(loaded: Load) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        loaded().web_port = 1


# -- what is wrong with them


def test_every_problem_is_said_at_once(loaded: Load, tmp_path: Path) -> None:
    file = tmp_path / "digest.toml"
    said = problems(
        loaded,
        'web_prot = 1\nsmtp_connections = 0\nsmtp_password = "pw"\n[[feeds]]\nname = "x"\nurl = "ftp://example.org"',
        WEB_PORT="99999",
        PUBLIC_URL="example.org",
        UNKNOWN="maybe",
        SENDER="two\nlines",
    )
    assert sorted(said) == sorted(
        [
            f"{file}: smtp_password: secrets do not belong into this file; set DIGEST_SMTP_PASSWORD or put a file "
            "named smtp_password into the secrets directory",
            f"{file}: web_prot: no such setting; see the README for the list",
            f"{file}: smtp_connections: Input should be greater than or equal to 1 (it is 0)",
            f"{file}: feeds.0.url: must be an http or https address, such as https://digest.example.org "
            "(it is 'ftp://example.org')",
            "DIGEST_WEB_PORT: web_port: Input should be less than or equal to 65535 (it is '99999')",
            "DIGEST_PUBLIC_URL: public_url: must be an http or https address, such as https://digest.example.org "
            "(it is 'example.org')",
            "DIGEST_UNKNOWN: unknown: Input should be 'resend' or 'hold' (it is 'maybe')",
            "DIGEST_SENDER: sender: must be one line without control characters (it is 'two\\nlines')",
        ]
    )


def test_a_file_that_is_no_toml_names_the_line(loaded: Load, tmp_path: Path) -> None:
    [said] = problems(loaded, "web_port = 1\nthis is not toml")
    assert said.startswith(f"{tmp_path / 'digest.toml'}: ")
    assert "line 2" in said


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "digest.toml").mkdir()
    with pytest.raises(SettingsError, match=r"digest\.toml: .*Is a directory"):
        load({"DIGEST_HOME": str(tmp_path), "DIGEST_SECRETS": str(tmp_path)})


def test_a_secret_that_cannot_be_read_is_a_problem(loaded: Load, tmp_path: Path) -> None:
    (tmp_path / "secrets" / "smtp_password").write_bytes(b"\xff\xfe")
    said = problems(loaded, WEB_PORT="x")
    assert len(said) == 2
    assert said[0].startswith(f"{tmp_path / 'secrets' / 'smtp_password'}: cannot be read: ")


def test_a_malformed_address_in_the_file_is_a_problem(loaded: Load) -> None:
    [said] = problems(loaded, 'database_url = "postgresql://[::1/digest"\nweb_port = 0')
    assert "database_url: Invalid IPv6 URL" in said


def test_home_is_not_set_in_the_file_that_lies_in_it(loaded: Load) -> None:
    [said] = problems(loaded, 'home = "/elsewhere"')
    assert said.endswith("home: is set by DIGEST_HOME only")


@pytest.mark.parametrize("name", ["secret_key", "smtp_password", "database_password"])
def test_secrets_are_refused_in_the_file(loaded: Load, name: str) -> None:
    [said] = problems(loaded, f'{name} = "hunter2"')
    assert f"{name}: secrets do not belong into this file" in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("mail.example.org", "must look like smtp://"),
        ("smtp://", "must look like smtp://"),
        ("http://mail.example.org", "must look like smtp://"),
        ("smtp://mail.example.org:99999", "port that is no number from 1 to 65535"),
        ("smtp://mail.example.org:x", "port that is no number from 1 to 65535"),
    ],
)
def test_an_smtp_address_says_what_is_wrong(loaded: Load, url: str, why: str) -> None:
    [said] = problems(loaded, SMTP_URL=url)
    assert why in said


@pytest.mark.parametrize("url", ["smtp://me@mail.example.org:587", "smtps://mail.example.org", "smtp://[::1]:25"])
def test_a_good_smtp_address_is_kept(loaded: Load, url: str) -> None:
    assert loaded(SMTP_URL=url).smtp_url == url


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("SMTP_URL", "smtp://me:hunter2@mail.example.org"),
        ("SMTP_URL", "smtp://me:hunter2/@mail.example.org"),
        ("SMTP_URL", "mail://me:hunter2@mail.example.org"),
        ("PUBLIC_URL", "https://me:hunter2@example.org"),
        ("HUGGINGFACE_URL", "ftp://me:hun@ter2@example.org"),
    ],
)
def test_a_password_in_an_address_is_refused_and_not_shown(loaded: Load, name: str, url: str) -> None:
    [said] = problems(loaded, **{name: url})
    assert said.startswith(f"DIGEST_{name}: ")
    assert "example.org" in said
    assert "hun" not in said
    assert "ter2" not in said


@pytest.mark.parametrize(
    "toml",
    [
        'database_url = "postgresql://me:hunter2@db/digest"',
        '[[feeds]]\nurl = "https://me:hunter2@example.org/feed"',
        '[[feeds]]\nname = "x"\nurl = "https://me:hunter2@example.org/feed"',
    ],
)
def test_a_password_in_the_file_is_refused_and_not_shown(loaded: Load, toml: str) -> None:
    assert "hunter2" not in "".join(problems(loaded, toml))


def test_settings_do_not_show_their_secrets(loaded: Load) -> None:
    settings = loaded(
        SMTP_PASSWORD="hunter2",
        SECRET_KEY="hunter2",
        DATABASE_PASSWORD="hunter2",
        DATABASE_URL="postgresql://me:hunter2@db/digest",
    )
    assert "hunter2" not in f"{settings!r} {settings}"


# -- the key that signs links


def test_a_set_key_is_used(loaded: Load, tmp_path: Path) -> None:
    assert secret_keys(loaded(SECRET_KEY="new, old")) == ("new", "old")
    assert not (tmp_path / "var").exists()


def test_a_key_is_made_once_and_kept_to_oneself(loaded: Load, tmp_path: Path) -> None:
    [key] = secret_keys(loaded())
    assert len(key) >= 43, "256 bits"
    assert secret_keys(loaded()) == (key,)
    assert [p.name for p in (tmp_path / "var").iterdir()] == ["secret_key"]
    assert stat.S_IMODE((tmp_path / "var" / "secret_key").stat().st_mode) == 0o600


def keys_of_many_starts(homes: list[Path]) -> list[tuple[str, ...]]:
    return [secret_keys(Settings(home=home)) for home in homes]


def test_programs_that_start_at_once_have_one_key(tmp_path: Path) -> None:
    homes = [tmp_path / str(n) for n in range(300)]
    with ProcessPoolExecutor(3, get_context("spawn")) as processes:
        made = list(processes.map(keys_of_many_starts, [homes] * 3))
    for keys in zip(*made, strict=True):
        assert len(set(keys)) == 1
        assert len(keys[0][0]) >= 43
