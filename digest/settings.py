"""digest.toml, `DIGEST_*` variables and a secrets directory become one frozen `Settings`.

A variable beats digest.toml, a file in the secrets directory (`DIGEST_SECRETS`, systemd's `CREDENTIALS_DIRECTORY`, or
/run/secrets; a file's name is that of the setting, such as `smtp_password`) beats neither and fills what both left out.
Secrets are refused in digest.toml. Every problem is reported at once, as `where: name: what is wrong`.
"""

from __future__ import annotations

import os
import re
import secrets
import tempfile
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from digest.errors import SettingsError

SECRETS = ("secret_key", "smtp_password", "database_password", "dkim_key", "operator_token")
"""Settings that may stand in a variable or in the secrets directory, never in digest.toml."""


def _words(value: object) -> object:
    """`"a, b"` from a variable and `["a", "b"]` from TOML are the same list."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _base(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise ValueError("must be an http or https address, such as https://digest.example.org")
    if parts.username or parts.password:
        raise ValueError("must not hold a user name or password")
    return url.rstrip("/")


def _smtp(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
        raise ValueError("must look like smtp://user@mail.example.org:587 or smtps://mail.example.org:465")
    if parts.password:
        raise ValueError("must not hold the password; put it into DIGEST_SMTP_PASSWORD or the secrets directory")
    try:
        _ = parts.port
    except ValueError:
        raise ValueError("has a port that is no number from 1 to 65535") from None
    return url


def _no_break(text: str) -> str:
    if any(ord(c) < 32 or ord(c) == 127 for c in text):
        raise ValueError("must be one line without control characters")
    return text


def _rates(value: object) -> object:
    """`"gmail.com=5, gmx.net=0.5"` from a variable and a table in TOML are the same."""
    if isinstance(value, str):
        pairs = (part.partition("=") for part in value.split(",") if part.strip())
        value = {name.strip(): rate.strip() for name, _, rate in pairs}
    return {str(name).lower(): rate for name, rate in value.items()} if isinstance(value, dict) else value


def _database(url: str) -> str:
    urlsplit(url)  # complains of brackets that do not match
    return url


def _domain(name: str) -> str:
    try:
        ascii_name = name.encode("idna").decode().lower() if name else ""
    except UnicodeError:
        ascii_name = "?"
    if not re.fullmatch(r"([a-z0-9-]+(\.[a-z0-9-]+)+)?", ascii_name):
        raise ValueError("must be a domain, such as b.digest.example.org")
    return ascii_name


Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
Url = Annotated[str, AfterValidator(_base)]
Line = Annotated[str, AfterValidator(_no_break)]
Rates = Annotated[dict[str, Annotated[float, Field(gt=0)]], BeforeValidator(_rates)]
_HIDDEN = Field(repr=False)


class Feed(BaseModel):
    """One RSS or Atom address of digest.toml's `[[feeds]]`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[\w .-]{1,40}$")]
    """How it is called in mails and in `digest status`."""
    url: Url


class Settings(BaseModel):
    """Everything an operator may set; the defaults serve one person on one machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path = Path()
    """Where digest.toml, subscribers.yaml, templates/ and var/ are looked for."""
    database_url: Annotated[str, AfterValidator(_database), _HIDDEN] = "sqlite:///var/digest.sqlite"
    """A variable's may hold a password."""
    database_password: Annotated[str, _HIDDEN] = ""
    roster: Path = Path("subscribers.yaml")
    smtp_url: Annotated[str, AfterValidator(_smtp)] | None = None
    """None: mail goes into `mailbox` instead."""
    smtp_password: Annotated[str, _HIDDEN] = ""
    smtp_connections: Annotated[int, Field(ge=1, le=100)] = 2
    """Connections to the relay at once, each reused."""
    smtp_messages_per_connection: Annotated[int, Field(ge=1)] = 100
    smtp_rate: Annotated[float, Field(ge=0)] = 0.0
    """Messages a second to the relay, from all processes together; 0 is no limit."""
    smtp_domain_rates: Rates = {}
    """The same for recipients of one domain: `{"gmail.com": 5}`."""
    warm_up: Annotated[tuple[Annotated[int, Field(ge=1)], ...], BeforeValidator(_words)] = ()
    """Messages on the first day of sending, the second and so on (UTC), for a sender that nobody knows yet."""
    dkim_domain: str = ""
    """Sign mails for this domain ourselves; empty: the relay does."""
    dkim_selector: str = "digest"
    dkim_key: Annotated[str, _HIDDEN] = ""
    """Private key in PEM, RSA of at least 2048 bits or Ed25519."""
    mailbox: Path = Path("var/mailbox")
    sender: Line = "Paper Digest <digest@localhost>"
    reply_to: Line = ""
    postal_address: Line = ""
    """Stands in the footer; laws on bulk mail ask for it."""
    thumbnails: bool = False
    """Whether mails show the papers' preview images, which a mail program fetches from the source."""
    public_url: Url = "http://127.0.0.1:8000"
    """Base of every link to our own pages. Mails hold such links only once this is set: see `web`."""
    secret_key: Annotated[Words, _HIDDEN] = ()
    """Signs links; newest first, older ones stay valid."""
    web_host: str = "127.0.0.1"
    web_port: Annotated[int, Field(ge=0, le=65535)] = 8000
    proxies: Words = ()
    """Addresses of reverse proxies whose word on who is asking (X-Forwarded-For) is taken."""
    operator_token: str = ""
    """Opens the operator's page and /metrics from elsewhere; without one there is no such page."""
    mail_domain: Annotated[Line, AfterValidator(_domain)] = ""
    """Domain whose mail our own receiver takes: bounces and unsubscribe mail. Empty: no such addresses are used."""
    inbound_host: str = "127.0.0.1"
    inbound_port: Annotated[int, Field(ge=0, le=65535)] = 2525
    """Where `digest serve` takes that mail from the mail server in front of it, by SMTP or LMTP."""
    inbound_size: Annotated[int, Field(ge=10_000)] = 1_000_000
    """Bytes of the largest mail taken."""
    inbound_connections: Annotated[int, Field(ge=1)] = 20
    subscribe_address: Line = ""
    """Mail to this address of `mail_domain` is answered with the confirmation of a sign-up; needs the web pages."""
    sources: Words = ("huggingface", "arxiv")
    huggingface_url: Url = "https://huggingface.co"
    arxiv_feed_url: Url = "https://rss.arxiv.org"
    arxiv_api_url: Url = "https://export.arxiv.org"
    arxiv_categories: Words = ("cs.AI", "cs.CL", "cs.CV", "cs.LG")
    feeds: tuple[Feed, ...] = ()
    contact: Line = ""
    """An address or URL named in the User-Agent, so that an upstream can reach the operator."""
    operator: Line = ""
    """Address that is written to when something needs a person; once a day for each cause."""
    ping_url: Annotated[Url | None, _HIDDEN] = None
    """Asked for after each pass in which nothing failed; its silence tells a monitor elsewhere that we are down."""
    quiet_note: Annotated[int, Field(ge=0)] = 7
    """A reader for whom there was nothing in so many days is told so, once; 0 never tells."""
    unknown: Literal["resend", "hold"] = "resend"
    """What to do with a delivery that may or may not have arrived."""

    semantic_model: Line = ""
    """A sentence embedding to choose with: a folder, an installed package that carries one, or a name in the local
    cache of Hugging Face. Empty: papers are chosen by their words alone, and nothing heavy is imported."""

    @property
    def web(self) -> bool:
        """Whether the web pages can be reached, which the operator says by setting `public_url`."""
        return "public_url" in self.model_fields_set

    def path(self, path: Path) -> Path:
        """*path* as seen from `home`."""
        return self.home / path

    @property
    def resolved_database_url(self) -> str:
        """`database_url` with a relative SQLite file placed under `home`."""
        prefix = "sqlite:///"
        if self.database_url.startswith(prefix):
            return prefix + str((self.home / self.database_url.removeprefix(prefix)).absolute())
        return self.database_url


def load(environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Read the three places; *overrides* (from the command line) beat them all.

    Raises:
        SettingsError: with every problem that was found.
    """
    environ = os.environ if environ is None else environ
    home = Path(environ.get("DIGEST_HOME") or ".")
    file = home / "digest.toml"
    problems: list[str] = [] if home.is_dir() else [f"DIGEST_HOME: there is no folder {home}"]
    values: dict[str, Any] = {}
    where: dict[str, str] = {}

    def take(found: Mapping[str, Any], place: str) -> None:
        values.update(found)
        where.update(dict.fromkeys(found, place))

    take(_from_secrets(environ, problems), "secrets")
    take(_from_toml(file, problems), str(file))
    for name, value in _from_environment(environ).items():
        take({name: value}, f"DIGEST_{name.upper()}")
    take(overrides | {"home": home}, "command line")
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        problems += [_problem(e, where) for e in error.errors(include_url=False)]
    if problems:
        raise SettingsError(*problems)
    return settings


def secret_keys(settings: Settings) -> tuple[str, ...]:
    """The keys that sign links, newest first; made and kept in `var/secret_key` when none is set.

    Raises:
        SettingsError: it can be neither read nor made there.
    """
    if settings.secret_key:
        return settings.secret_key
    file = settings.home / "var" / "secret_key"
    try:
        return (_kept_key(file),)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"DIGEST_SECRET_KEY: none is set, and none can be kept: {error}") from error


def _kept_key(file: Path) -> str:
    """The key in *file*, made when there is none yet."""
    with suppress(FileNotFoundError):
        return file.read_text().strip()
    file.parent.mkdir(parents=True, exist_ok=True)
    # written aside (mode 0600) and then linked, so that nobody ever reads a file without its key
    with tempfile.NamedTemporaryFile("w", dir=file.parent, prefix="secret_key-") as draft:
        draft.write(secrets.token_urlsafe(32))
        draft.flush()
        with suppress(FileExistsError):  # another process was quicker
            os.link(draft.name, file)
    return file.read_text().strip()


def _from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Names this program knows; `DIGEST_HOME` and those of other tools are not settings."""
    names = {f"DIGEST_{name.upper()}": name for name in Settings.model_fields if name not in {"home", "feeds"}}
    return {name: environ[variable] for variable, name in names.items() if environ.get(variable)}


def _from_toml(file: Path, problems: list[str]) -> dict[str, Any]:
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        problems.append(f"{file}: {error}")
        return {}
    for name in SECRETS:
        if values.pop(name, None) is not None:
            problems.append(
                f"{file}: {name}: secrets do not belong into this file; "
                f"set DIGEST_{name.upper()} or put a file named {name} into the secrets directory"
            )
    if values.pop("home", None) is not None:
        problems.append(f"{file}: home: is set by DIGEST_HOME only")
    if re.search(r"//[^/@]*:.*@", str(values.get("database_url", ""))):
        problems.append(f"{file}: database_url: must not hold a password; set DIGEST_DATABASE_PASSWORD")
    return values


def _from_secrets(environ: Mapping[str, str], problems: list[str]) -> dict[str, str]:
    folder = environ.get("DIGEST_SECRETS") or environ.get("CREDENTIALS_DIRECTORY") or "/run/secrets"
    found: dict[str, str] = {}
    for name in SECRETS:
        file = Path(folder) / name
        try:
            found[name] = file.read_text(encoding="utf-8").strip()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (UnicodeDecodeError, OSError) as error:
            problems.append(f"{file}: cannot be read: {error}")
    return found


def _problem(error: Any, where: Mapping[str, str]) -> str:
    name = str(error["loc"][0])
    path = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"{where.get(name, 'digest.toml')}: {path}: no such setting; see the README for the list"
    text = str(error["msg"]).removeprefix("Value error, ")
    shown = "" if name in SECRETS else f" (it is {_without_password(error['input'])})"
    return f"{where.get(name, name)}: {path}: {text}{shown}"


def _without_password(value: object) -> str:
    """*value* as it may be shown: an address keeps its scheme and its host."""
    return re.sub(r"//.*@", "//…@", repr(value))
