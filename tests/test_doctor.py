"""`digest doctor`: every trouble is found, named, and comes with what to do; and it changes nothing."""

from __future__ import annotations

import json
import socket
import sqlite3
import ssl
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from dns.resolver import Resolver

from digest import app, doctor
from digest.cli import main
from digest.doctor import Finding, Level
from digest.doctor.names import look, names_upwards
from digest.doctor.records import Dmarc, Spf
from digest.sample import upstream
from digest.settings import Settings, load
from tests.dns_server import Zone, resolver
from tests.program import ROSTER
from tests.smtp_servers import sink

OK, WARN, FAIL = Level.OK, Level.WARN, Level.FAIL
NOW = datetime(2026, 2, 4, 12, tzinfo=UTC)


def settings_of(home: Path, **given: Any) -> Settings:
    nobody = "http://127.0.0.1:9"
    values = {"huggingface_url": nobody, "arxiv_feed_url": nobody, "sources": ("huggingface",)} | given
    return load({"DIGEST_HOME": str(home)}, **values)


def found(findings: Iterator[Finding], check: str) -> list[Finding]:
    """What was found by *check*; whatever is wrong comes with advice."""
    listed = list(findings)
    assert all(finding.advice for finding in listed if finding.level is not OK)
    return [finding for finding in listed if finding.check == check]


def levels(findings: list[Finding]) -> list[Level]:
    return [finding.level for finding in findings]


@pytest.fixture
def examined(tmp_path: Path) -> Callable[..., Callable[[str], list[Finding]]]:
    """Examine a home with these settings, and look at one check after another."""

    def examine(at: datetime = NOW, **given: Any) -> Callable[[str], list[Finding]]:
        with resolver({}) as asking:
            listed = list(doctor.examine(settings_of(tmp_path, **given), lambda: at, asking))
        return lambda check: found(iter(listed), check)

    return examine


Examine = Callable[..., Callable[[str], list[Finding]]]


# -- this machine


def test_nothing_is_changed(tmp_path: Path, examined: Examine) -> None:
    examined(database_url="sqlite:///var/deep/er/digest.sqlite")
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_is_not_there_yet_is_no_trouble(examined: Examine) -> None:
    [finding] = examined()("database")
    assert (finding.level, finding.text.endswith("will be made on the first run")) == (OK, True)


def test_a_healthy_database(tmp_path: Path, examined: Examine) -> None:
    app.store(settings_of(tmp_path)).close()
    before = (tmp_path / "var" / "digest.sqlite").read_bytes()
    see = examined()
    assert levels(see("database")) == [OK]
    assert levels(see("journal")) == [OK]
    assert "next run" not in see("database")[0].text
    assert (tmp_path / "var" / "digest.sqlite").read_bytes() == before


def test_a_damaged_database(tmp_path: Path, examined: Examine) -> None:
    app.store(settings_of(tmp_path)).close()
    file = tmp_path / "var" / "digest.sqlite"
    data = bytearray(file.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 9000] = b"\xaa" * 9000
    file.write_bytes(data)
    assert levels(examined()("database")) == [FAIL]
    file.write_bytes(b"this is no database" * 1000)
    assert levels(examined()("database")) == [FAIL]


def test_an_older_schema_is_announced(tmp_path: Path, examined: Examine) -> None:
    app.store(settings_of(tmp_path)).close()
    with closing(sqlite3.connect(tmp_path / "var" / "digest.sqlite")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    [finding] = examined()("database")
    assert finding.level is OK
    assert "up to date" in finding.text


@pytest.mark.pg
def test_postgresql(postgres: Any, examined: Examine) -> None:
    with postgres.fresh() as url:
        [finding] = examined(database_url=url)("database")
    assert (finding.level, finding.text.startswith("PostgreSQL 1")) == (OK, True)


def test_a_database_server_that_is_away(examined: Examine) -> None:
    [finding] = examined(database_url="postgresql://digest@127.0.0.1:9/digest", database_password="geheim")("database")
    assert finding.level is FAIL
    assert "geheim" not in finding.text


@pytest.mark.parametrize(
    ("key", "level"),
    [("hunter2", FAIL), ("a" * 60, FAIL), ("Ov3rTwentyLettersLong", WARN), ("kq8PzR2mXv-W0tYb7uJcL5sNd3fGhA1e", OK)],
)
def test_a_secret_key_that_can_be_guessed(examined: Examine, key: str, level: Level) -> None:
    [finding] = examined(secret_key=(key, "old"))("secret key")
    assert finding.level is level
    assert key not in finding.text + finding.advice


def test_a_secret_key_that_others_can_read(tmp_path: Path, examined: Examine) -> None:
    app.store(settings_of(tmp_path)).close()
    assert levels(examined()("secret key")) == [OK]
    (tmp_path / "var" / "secret_key").chmod(0o644)
    [finding] = examined()("secret key")
    assert (finding.level, finding.advice) == (FAIL, f"chmod 600 {tmp_path / 'var' / 'secret_key'}")


def test_room_on_the_disk(examined: Examine) -> None:
    [finding] = examined()("disk")
    assert "GB free" in finding.text


def test_a_template_of_ones_own_that_is_broken(tmp_path: Path, examined: Examine) -> None:
    assert levels(examined()("templates")) == [OK]
    folder = tmp_path / "templates" / "mail" / "goodbye"
    folder.mkdir(parents=True)
    (folder / "body.txt").write_text("{{ no_such_thing }}")
    [finding] = examined()("templates")
    assert finding.level is FAIL
    assert "goodbye" in finding.text


def test_every_mistake_in_the_roster(tmp_path: Path, examined: Examine) -> None:
    (tmp_path / "subscribers.yaml").write_text(ROSTER)
    [finding] = examined()("roster")
    assert finding.text.startswith("3 people")
    (tmp_path / "subscribers.yaml").write_text("subscribers:\n  - {email: ada, zone: Nowhere}\n")
    assert levels(examined()("roster")) == [FAIL, FAIL]


def test_somebody_should_hear_of_trouble(examined: Examine) -> None:
    assert levels(examined()("operator")) == [WARN]
    [finding] = examined(operator="op@example.net", ping_url="https://ping.example.net/1234")("operator")
    assert (finding.level, finding.text) == (OK, "trouble is told to op@example.net and a monitor")


def test_pages_without_https(examined: Examine) -> None:
    assert levels(examined()("web")) == [OK]
    assert levels(examined(public_url="https://digest.example.org")("web")) == [OK]
    assert levels(examined(public_url="http://digest.example.org")("web")) == [WARN]


def test_incoming_mail_that_nobody_takes(examined: Examine) -> None:
    assert levels(examined()("incoming mail")) == [OK]
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        assert levels(examined(mail_domain="b.example.org", inbound_port=port)("incoming mail")) == [OK]
    assert levels(examined(mail_domain="b.example.org", inbound_port=port)("incoming mail")) == [WARN]
    exposed = examined(mail_domain="b.example.org", inbound_port=port, inbound_host="0.0.0.0")("incoming mail")
    assert levels(exposed) == [WARN, WARN]


# -- sources and clock


@pytest.mark.parametrize(
    ("off", "level"),
    [(timedelta(0), OK), (timedelta(seconds=-90), WARN), (timedelta(seconds=90), WARN), (timedelta(hours=1), FAIL)],
)
def test_the_clock_is_compared_with_the_sources(examined: Examine, off: timedelta, level: Level) -> None:
    with upstream.serve(date(2026, 2, 4)) as base:
        see = examined(
            datetime.now(UTC) + off, huggingface_url=base, arxiv_feed_url=base, sources=("huggingface", "arxiv")
        )
    assert levels(see("source huggingface")) == levels(see("source arxiv")) == [OK]
    [finding] = see("clock")
    assert finding.level is level


def test_without_a_network_it_says_so(examined: Examine) -> None:
    see = examined(feeds=({"name": "my feed", "url": "http://127.0.0.1:9/rss"},))
    assert levels(see("source huggingface")) == levels(see("source my feed")) == [WARN]
    assert levels(see("clock")) == [WARN]


def test_a_source_that_does_not_exist(examined: Examine) -> None:
    assert levels(examined(sources=("huggingfase",))("source")) == [FAIL]


# -- the relay


def test_without_a_relay_nothing_is_sent(examined: Examine) -> None:
    see = examined()
    assert levels(see("relay")) == [WARN]
    assert see("DNS") == []


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_a_relay_that_works_and_gets_no_mail(examined: Examine) -> None:
    with sink(login=("ada", "geheim"), login_without_tls=True) as relay:
        given = {"smtp_url": f"smtp://ada@127.0.0.1:{relay.port}?tls=none", "smtp_password": "geheim"}
        see = examined(sender="Digest <digest@example.org>", **given)
        assert [levels(see(check)) for check in ("relay", "TLS", "sender")] == [[OK], [OK], [OK]]
        assert relay.messages == []
        wrong = examined(sender="Digest <digest@example.org>", **(given | {"smtp_password": "falsch"}))("relay")
    assert levels(wrong) == [FAIL]
    assert "DIGEST_SMTP_PASSWORD" in wrong[0].advice


def test_a_relay_that_is_away(examined: Examine) -> None:
    assert levels(examined(smtp_url="smtp://127.0.0.1:9")("relay")) == [FAIL]


def test_a_url_that_contradicts_itself(examined: Examine) -> None:
    assert levels(examined(smtp_url="smtp://ada@mail.example.org", smtp_password="")("relay")) == [FAIL]


def test_a_sender_that_the_relay_refuses(examined: Examine) -> None:
    with sink(answers={"MAIL": "553 5.7.1 not owned by user"}) as relay:
        see = examined(smtp_url=relay.url, sender="digest@example.org")
        [finding] = see("sender")
    assert finding.level is FAIL
    assert "553 5.7.1 not owned by user" in finding.text


def test_a_sender_nobody_has_set(examined: Examine) -> None:
    with sink() as relay:
        see = examined(smtp_url=relay.url)
    assert levels(see("sender")) == [FAIL, OK]
    assert levels(see("DNS")) == [WARN]


@pytest.mark.parametrize(("days", "level"), [(90, OK), (5, WARN)])
def test_a_certificate_that_ends_soon(
    tmp_path: Path, examined: Examine, monkeypatch: pytest.MonkeyPatch, days: int, level: Level
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    today = datetime.now(UTC)
    authority.issue_cert("127.0.0.1", not_after=today + timedelta(days=days, hours=1)).configure_cert(context)
    with sink(tls=context) as relay:
        url = f"smtps://127.0.0.1:{relay.port}"
        [finding] = examined(today, smtp_url=url, sender="digest@example.org")("TLS")
        assert (finding.level, f"good for {days} days" in finding.text) == (level, True)
        monkeypatch.delenv("SSL_CERT_FILE")
        [finding] = examined(today, smtp_url=url, sender="digest@example.org")("relay")
    assert finding.level is FAIL
    assert "certificate" in finding.text


# -- the DNS

GOOD: Zone = {
    ("example.org", "TXT"): ["some-verification=abc", "v=spf1 include:_spf.relay.net -all"],
    ("_spf.relay.net", "TXT"): ["v=spf1 ip4:192.0.2.0/24 -all"],
    ("_dmarc.example.org", "TXT"): ["v=DMARC1; p=quarantine; rua=mailto:ada@example.org"],
    ("example.org", "MX"): ["10 mx.example.org."],
    ("mx.relay.net", "A"): ["8.8.4.4"],
    ("4.4.8.8.in-addr.arpa", "PTR"): ["mx.relay.net."],
}


def names(zone: Zone, check: str, server: str = "mx.relay.net", **given: Any) -> list[Finding]:
    given = {"sender": "Digest <digest@example.org>", "smtp_url": "smtp://mx.relay.net"} | given
    with resolver(zone) as asking:
        return found(look(load({}, **given), server, asking), check)


def without(*keys: tuple[str, str], **more: list[str]) -> Zone:
    return {key: value for key, value in GOOD.items() if key not in keys}


def test_a_domain_that_is_set_up_well() -> None:
    with resolver(GOOD) as asking:
        settings = load({}, sender="digest@example.org", smtp_url="smtp://mx.relay.net")
        listed = list(look(settings, "mx.relay.net", asking))
    assert [(f.check, f.level) for f in listed] == [
        (check, OK) for check in ("SPF", "DKIM", "DMARC", "alignment", "MX", "reverse name")
    ]


@pytest.mark.parametrize(
    ("records", "level", "says"),
    [
        ([], FAIL, "no record"),
        (["v=spf10 -all"], FAIL, "no record"),
        (["v=spf1 -all", "v=spf1 ~all"], FAIL, "2 records"),
        (["v=spf1 a +all"], FAIL, "lets everybody send"),
        (["v=spf1 all"], FAIL, "lets everybody send"),
        (["v=spf1 a mx"], WARN, "does not say"),
        (["V=SPF1 A MX ~ALL"], OK, ""),
        (["v=spf1 redirect=_spf.relay.net"], OK, ""),
        (["v=spf1 " + "a:x.example.org " * 11 + "-all"], FAIL, "more than the 10"),
        (["v=spf1 include:loop.example.org -all"], OK, ""),
        (["v=spf1 include:deep0.example.org -all"], FAIL, "more than the 10"),
    ],
)
def test_spf(records: list[str], level: Level, says: str) -> None:
    others = {
        ("loop.example.org", "TXT"): ["v=spf1 include:loop.example.org include:example.org -all"],
        **{(f"deep{n}.example.org", "TXT"): [f"v=spf1 include:deep{n + 1}.example.org -all"] for n in range(30)},
    }
    zone = dict(GOOD) | others | {("example.org", "TXT"): records}
    [finding] = names(zone, "SPF")
    assert (finding.level, says in finding.text) == (level, True), finding


def pem(key: Any) -> str:
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return str(private.decode())


RSA_KEY = generate_private_key(65537, 2048)
ED_KEY = Ed25519PrivateKey.generate()
RSA_PUBLIC = b64encode(
    RSA_KEY.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
).decode()
ED_PUBLIC = b64encode(ED_KEY.public_key().public_bytes_raw()).decode()


@pytest.mark.parametrize(
    ("key", "record", "level"),
    [
        (RSA_KEY, f"v=DKIM1; k=rsa; p={RSA_PUBLIC}", OK),
        (RSA_KEY, f"p={RSA_PUBLIC[:100]} {RSA_PUBLIC[100:]}", OK),
        (ED_KEY, f"v=DKIM1; k=ed25519; p={ED_PUBLIC}", OK),
        (RSA_KEY, f"v=DKIM1; k=rsa; p={ED_PUBLIC}", FAIL),
        (RSA_KEY, "v=DKIM1; p=", FAIL),
        (RSA_KEY, f"v=DKIM1; t=y:s; p={RSA_PUBLIC}", WARN),
        (RSA_KEY, "", FAIL),
    ],
    ids=["whole", "in two strings", "ed25519", "another key", "revoked", "testing", "missing"],
)
def test_the_dkim_key_is_the_one_that_signs(key: Any, record: str, level: Level) -> None:
    zone = dict(GOOD) | ({("digest._domainkey.example.org", "TXT"): [record]} if record else {})
    [finding] = names(zone, "DKIM", dkim_domain="example.org", dkim_key=pem(key))
    assert finding.level is level
    if not record:
        assert f"p={RSA_PUBLIC}" in finding.advice, "the record to publish, ready to copy"


def test_the_walk_up_the_tree_asks_at_most_eight_times() -> None:
    """RFC 9989: a.b.c.….example.com is cut to seven labels after its own name."""
    assert names_upwards("a.mail.example.org") == ["a.mail.example.org", "mail.example.org", "example.org", "org"]
    long = names_upwards("a.b.c.d.e.f.g.h.i.j.example.org")
    assert long[1] == "f.g.h.i.j.example.org"
    assert len(long) == 8
    assert names_upwards("a.b.c.d.e.f.example.org")[1] == "b.c.d.e.f.example.org", "eight labels: seven are left"


@pytest.mark.parametrize(
    ("sender", "records", "level", "says"),
    [
        ("example.org", {"example.org": "v=DMARC1; p=none"}, WARN, "no rua="),
        ("example.org", {"example.org": "v=DMARC1; p=reject"}, OK, "p=reject at _dmarc.example.org"),
        ("example.org", {"example.org": "v=DMARC1; p=reject; t=y"}, OK, "as a test"),
        (
            "m.example.org",
            {"example.org": "v=DMARC1; p=reject; sp=quarantine"},
            OK,
            "p=quarantine at _dmarc.example.org",
        ),
        ("m.example.org", {"m.example.org": "v=DMARC1; p=reject", "example.org": "v=DMARC1; p=none"}, OK, "p=reject"),
        ("example.org", {}, FAIL, "has a record"),
        ("example.org", {"example.org": "v=DMARC2; p=reject"}, FAIL, "has a record"),
    ],
)
def test_dmarc(sender: str, records: dict[str, str], level: Level, says: str) -> None:
    zone = without(("_dmarc.example.org", "TXT"), ("example.org", "TXT"))
    zone = dict(zone) | {(f"_dmarc.{name}", "TXT"): [text] for name, text in records.items()}
    [finding] = names(zone, "DMARC", sender=f"digest@{sender}")
    assert (finding.level, says in finding.text) == (level, True), finding


def test_two_dmarc_records_are_none() -> None:
    zone = dict(GOOD) | {("_dmarc.example.org", "TXT"): ["v=DMARC1; p=none", "v=DMARC1; p=reject"]}
    assert levels(names(zone, "DMARC")) == [FAIL]


def test_tags_of_the_old_dmarc_are_named() -> None:
    zone = dict(GOOD) | {("_dmarc.example.org", "TXT"): ["v=DMARC1; p=reject; pct=50; ri=3600"]}
    old, policy = names(zone, "DMARC")
    assert (old.level, policy.level) == (WARN, OK)
    assert "pct, ri" in old.text


@pytest.mark.parametrize(
    ("record", "mail_domain", "dkim_domain", "level"),
    [
        ("v=DMARC1; p=reject", "", "", OK),
        ("v=DMARC1; p=reject", "b.example.org", "", OK),
        ("v=DMARC1; p=reject; aspf=s", "b.example.org", "", WARN),
        ("v=DMARC1; p=reject; aspf=s", "b.example.org", "example.org", OK),
        ("v=DMARC1; p=reject", "b.elsewhere.net", "", WARN),
        ("v=DMARC1; p=reject", "b.elsewhere.net", "example.org", OK),
        ("v=DMARC1; p=reject; adkim=s", "b.elsewhere.net", "m.example.org", WARN),
        ("v=DMARC1; p=reject; psd=y", "b.example.org", "", OK),
    ],
)
def test_alignment(record: str, mail_domain: str, dkim_domain: str, level: Level) -> None:
    zone = dict(GOOD) | {("_dmarc.example.org", "TXT"): [record]}
    given = {"mail_domain": mail_domain, "dkim_domain": dkim_domain, "dkim_key": pem(ED_KEY)}
    if "psd=y" in record:  # two tenants of one public suffix are strangers, a sub-domain of one's own is not
        given["sender"] = "digest@ada.example.org"
        given["mail_domain"] = "b.ada.example.org"
    [finding] = names(zone, "alignment", **given)
    assert finding.level is level, finding


def test_tenants_of_a_public_suffix_are_not_aligned() -> None:
    zone = dict(GOOD) | {("_dmarc.example.org", "TXT"): ["v=DMARC1; p=reject; psd=y"]}
    given = {"sender": "digest@ada.example.org", "mail_domain": "b.eve.example.org"}
    assert levels(names(zone, "alignment", **given)) == [WARN]


def test_a_domain_that_takes_no_mail() -> None:
    assert levels(names(without(("example.org", "MX")), "MX")) == [FAIL]
    assert levels(names(dict(GOOD) | {("example.org", "MX"): ["0 ."]}, "MX")) == [FAIL]
    no_mx = dict(without(("example.org", "MX"))) | {("example.org", "A"): ["192.0.2.7"]}
    assert levels(names(no_mx, "MX")) == [OK], "the address record stands in (RFC 5321, section 5.1)"


def test_a_reverse_name_that_does_not_lead_back() -> None:
    assert levels(names(without(("4.4.8.8.in-addr.arpa", "PTR")), "reverse name")) == [FAIL]
    wrong = dict(GOOD) | {("4.4.8.8.in-addr.arpa", "PTR"): ["host-4-4.provider.net."]}
    assert levels(names(wrong, "reverse name")) == [FAIL]
    assert levels(names(without(("mx.relay.net", "A")), "reverse name")) == [WARN]
    assert names(GOOD, "reverse name", server="localhost") == []


def test_a_dns_that_is_silent() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        asking = Resolver(configure=False)
        asking.nameservers, asking.port, asking.timeout = ["127.0.0.1"], silent.getsockname()[1], 0.1
        asking.lifetime = 0.2
        settings = load({}, sender="digest@example.org", smtp_url="smtp://mx.relay.net")
        [finding] = look(settings, "", asking)
    assert (finding.check, finding.level) == ("DNS", WARN)


def test_records_in_odd_spelling() -> None:
    assert Dmarc.parse("v=DMARC1") is not None
    assert Dmarc.parse("p=reject; v=DMARC1") is None, "the version comes first"
    assert (
        Spf.parse("v=spf1 ip4:192.0.2.1 include:a.example ?include:b.example exists:%{i}.c.example -all").lookups == 3
    )
    assert Spf.parse("v=spf1 all:oops amx:x -all").lookups == 0


# -- the command


def test_the_command_ends_with_1_when_something_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_HOME", str(tmp_path))
    for name in ("HUGGINGFACE_URL", "ARXIV_FEED_URL"):
        monkeypatch.setenv(f"DIGEST_{name}", "http://127.0.0.1:9")
    result = CliRunner().invoke(main, ["doctor", "--json"])
    assert result.exit_code == 0, result.output
    listed = json.loads(result.stdout)
    assert {finding["level"] for finding in listed} == {"ok", "warn"}
    monkeypatch.setenv("DIGEST_SECRET_KEY", "secret")
    result = CliRunner().invoke(main, ["doctor"])
    assert result.exit_code == 1
    assert "fail secret key: can be guessed" in result.stdout
    assert "-> make one:" in result.stdout


def test_wrong_settings_are_findings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_HOME", str(tmp_path))
    monkeypatch.setenv("DIGEST_WEB_PORT", "99999")
    monkeypatch.setenv("DIGEST_SMTP_URL", "http://mail")
    result = CliRunner().invoke(main, ["doctor", "--json"])
    assert result.exit_code == 1
    assert [(f["check"], f["level"]) for f in json.loads(result.stdout)] == [("settings", "fail")] * 2
    assert list(tmp_path.iterdir()) == []
