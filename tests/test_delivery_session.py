"""How a connection is opened, secured and logged in; and what is refused."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime

import pytest
import trustme

from digest.delivery import connect
from digest.delivery.mailbox import Mailbox
from digest.delivery.relay import Relay, Tls, hello_name, is_loopback
from digest.delivery.session import Timeouts, verifying_context
from digest.delivery.smtp import SmtpTransport
from digest.errors import Deferred, DeliveryError, SenderAtFault, SettingsError
from digest.models import Message
from digest.settings import Settings
from tests.smtp_servers import EHLO, GREETING, Answer, Peer, Sink, hang_up, peer, sink

MESSAGE = Message("b@b.example", "ada@example.org", b"Subject: an invented digest\r\n\r\nHello.\r\n")
TIMEOUTS = Timeouts(connect=5, greeting=5, command=5, data=5, body=5, end=5, quit=2)
AUTHORITY = trustme.CA()
STRANGER = trustme.CA()


def server_context(
    name: str = "127.0.0.1", *, authority: trustme.CA = AUTHORITY, not_after: datetime | None = None
) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name, not_after=not_after).configure_cert(context)
    return context


def our_context() -> ssl.SSLContext:
    context = verifying_context()
    AUTHORITY.configure_trust(context)
    return context


def send(relay: Relay) -> None:
    transport = SmtpTransport(relay, timeouts=TIMEOUTS, context=our_context(), hello="digest.example")
    try:
        transport.send(MESSAGE, lambda: None)
    finally:
        transport.close()


def relay_to(server: Sink | Peer, tls: Tls, user: str = "", password: str = "", host: str = "127.0.0.1") -> Relay:
    return Relay(host, server.port, tls, user, password)


# ---- TLS -------------------------------------------------------------------------------------------------------------


def test_starttls_is_verified_and_then_used() -> None:
    with sink(starttls=server_context(), require_starttls=True) as server:
        send(relay_to(server, Tls.REQUIRED))
        assert len(server.messages) == 1


def test_implicit_tls_is_verified_and_then_used() -> None:
    with sink(tls=server_context()) as server:
        send(relay_to(server, Tls.IMPLICIT))
        assert len(server.messages) == 1


BAD = {
    "another name": {"name": "mail.example"},
    "an unknown authority": {"authority": STRANGER},
    "long expired": {"not_after": datetime(2020, 1, 1, tzinfo=UTC)},
}


@pytest.mark.parametrize("flaw", BAD.values(), ids=BAD)
@pytest.mark.parametrize("tls", [Tls.REQUIRED, Tls.IMPLICIT])
def test_a_wrong_certificate_stops_the_run(tls: Tls, flaw: dict[str, object]) -> None:
    context = server_context(**flaw)  # type: ignore[arg-type]  # each flaw fits its parameter
    with sink(tls=context) if tls is Tls.IMPLICIT else sink(starttls=context) as server:
        with pytest.raises(SenderAtFault, match="certificate verify failed"):
            send(relay_to(server, tls))
        assert server.messages == []


def test_starttls_that_someone_stripped_stops_the_run() -> None:
    with sink() as server, pytest.raises(SenderAtFault, match="does not offer it"):
        send(relay_to(server, Tls.REQUIRED))


def test_what_was_said_before_tls_began_is_not_believed() -> None:
    """CVE-2011-0411 and its many relatives: a reply in the clear, read as if it came under TLS."""
    context = server_context()

    def inject_and_secure(connection: socket.socket) -> None:
        connection.sendall(b"220 go\r\n250 injected\r\n")
        with context.wrap_socket(connection.dup(), server_side=True) as secured:
            secured.recv(1000)

    script: list[Answer] = [GREETING, "250-peer\r\n250 STARTTLS", inject_and_secure]
    with peer(script) as server, pytest.raises(SenderAtFault, match="before TLS began"):
        send(relay_to(server, Tls.REQUIRED))


def test_tls_older_than_1_2_is_refused() -> None:
    context = server_context()
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with sink(starttls=context) as server, pytest.raises(DeliveryError):
        send(relay_to(server, Tls.REQUIRED))
    assert server.messages == []


@pytest.mark.parametrize(
    ("answer", "expected"), [("454 4.7.0 not now", Deferred), ("501 5.5.4 no", SenderAtFault), (hang_up, Deferred)]
)
def test_a_refused_starttls(answer: Answer, expected: type[DeliveryError]) -> None:
    with peer([GREETING, "250-peer\r\n250 STARTTLS", answer]) as server, pytest.raises(expected):
        send(relay_to(server, Tls.REQUIRED))


def test_opportunistic_tls_takes_any_certificate_and_none() -> None:
    with sink(starttls=server_context("mail.example", authority=STRANGER), require_starttls=True) as server:
        send(relay_to(server, Tls.OPPORTUNISTIC))
        assert len(server.messages) == 1
    with sink() as server:
        send(relay_to(server, Tls.OPPORTUNISTIC))
        assert len(server.messages) == 1


def test_the_system_authorities_are_trusted_and_old_tls_is_not() -> None:
    context = verifying_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


# ---- login -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("password", ["correct horse", "pässwörd"])
def test_login_under_tls(password: str) -> None:
    """smtplib fails on a password beyond ASCII (python/cpython#73936); RFC 4616 says UTF-8."""
    with sink(starttls=server_context(), login=("ada", password)) as server:
        send(relay_to(server, Tls.REQUIRED, "ada", password))
        assert len(server.messages) == 1


@pytest.mark.parametrize("password", ["wrong", "fälsch"])
def test_a_wrong_password_stops_the_run(password: str) -> None:
    with (
        sink(starttls=server_context(), login=("ada", "right")) as server,
        pytest.raises(SenderAtFault, match="535") as fault,
    ):
        send(relay_to(server, Tls.REQUIRED, "ada", password))
    assert password not in str(fault.value)


def test_no_password_crosses_a_network_in_the_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the settings were checked for: the session itself refuses. 127.0.0.1 plays a relay far away."""
    monkeypatch.setattr("digest.delivery.session.is_loopback", lambda host: False)
    with peer([GREETING, "250-peer\r\n250 AUTH PLAIN"]) as server:
        relay = Relay("127.0.0.1", server.port, Tls.OPPORTUNISTIC, "ada", "secret")
        with pytest.raises(SenderAtFault, match="no password without TLS"):
            send(relay)
    assert not any(b"AUTH" in line.upper() for line in server.heard[0])


@pytest.mark.filterwarnings("ignore:Requiring AUTH")  # the sink warns its own operator
def test_a_password_in_the_clear_is_fine_on_this_machine() -> None:
    with sink(login=("ada", "secret"), login_without_tls=True) as server:
        send(relay_to(server, Tls.NONE, "ada", "secret"))
        assert len(server.messages) == 1


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (["250 peer without AUTH"], SenderAtFault),
        (["250 AUTH PLAIN", "454 4.7.0 try later"], Deferred),
        (["250 AUTH PLAIN", "535 5.7.8 no"], SenderAtFault),
        (["250 AUTH PLAIN", hang_up], Deferred),
        (["500 what?"], SenderAtFault),
        (["451 4.3.0 overloaded"], Deferred),
    ],
)
def test_a_login_that_fails(answers: list[Answer], expected: type[DeliveryError]) -> None:
    answers = [a.replace("250 AUTH", "250-peer\r\n250 AUTH") if isinstance(a, str) else a for a in answers]
    with peer([GREETING, *answers]) as server, pytest.raises(expected):
        send(relay_to(server, Tls.NONE, "ada", "secret"))


def test_a_server_that_turns_us_away_at_the_door() -> None:
    with peer(["554 5.7.1 go away"]) as server, pytest.raises(SenderAtFault, match="go away"):
        send(relay_to(server, Tls.NONE))
    with peer(["421 4.3.2 busy, try again in 2 minutes"]) as server, pytest.raises(Deferred) as deferred:
        send(relay_to(server, Tls.NONE))
    assert (deferred.value.close, deferred.value.retry_after) == (True, 120)


@pytest.mark.parametrize(("error", "expected"), [(socket.EAI_NONAME, SenderAtFault), (socket.EAI_AGAIN, Deferred)])
def test_a_wrong_name_is_the_operators_to_correct_and_a_dead_resolver_is_not(
    monkeypatch: pytest.MonkeyPatch, error: int, expected: type[DeliveryError]
) -> None:
    def fail(*_: object) -> None:
        raise socket.gaierror(error, "no answer")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(expected, match=r"relay\.example:25\): no answer"):
        send(Relay("relay.example", 25, Tls.NONE))


# ---- smtp_url --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://localhost", ("localhost", 25, Tls.OPPORTUNISTIC, "")),
        ("smtp://[::1]:2525", ("::1", 2525, Tls.OPPORTUNISTIC, "")),
        ("smtp://127.0.0.1:1025?tls=required", ("127.0.0.1", 1025, Tls.REQUIRED, "")),
        ("smtp://relay.example", ("relay.example", 25, Tls.REQUIRED, "")),
        ("smtp://relay.example?tls=none", ("relay.example", 25, Tls.NONE, "")),
        ("smtp://ada%40example.org@relay.example", ("relay.example", 587, Tls.REQUIRED, "ada@example.org")),
        ("smtps://ada@relay.example", ("relay.example", 465, Tls.IMPLICIT, "ada")),
        ("smtps://relay.example:4650?tls=required", ("relay.example", 4650, Tls.IMPLICIT, "")),
    ],
)
def test_what_a_url_means(url: str, expected: tuple[str, int, Tls, str]) -> None:
    relay = Relay.from_settings(Settings(smtp_url=url, smtp_password="secret"))
    assert (relay.host, relay.port, relay.tls, relay.user) == expected
    assert "secret" not in repr(relay)


@pytest.mark.parametrize(
    ("url", "password", "problem"),
    [
        ("smtp://ada@relay.example", "", "smtp_password: missing"),
        ("smtp://ada@relay.example?tls=none", "x", "would show the password"),
        ("smtp://ada@relay.example?tls=opportunistic", "x", "would show the password"),
        ("smtp://relay.example?tls=maybe", "", "must be required, opportunistic or none"),
        ("smtp://relay.example?tls=implicit", "", "must be required, opportunistic or none"),
        ("smtp://relay.example?tsl=none", "", "unknown option tsl"),
        ("smtps://relay.example?tls=none", "", "contradicts"),
    ],
)
def test_a_url_that_contradicts_itself(url: str, password: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        connect(Settings(smtp_url=url, smtp_password=password))


@pytest.mark.parametrize("host", ["localhost", "relay.localhost", "127.0.0.1", "127.8.8.8", "::1"])
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["localhost.example.org", "10.0.0.1", "0.0.0.0", "notlocalhost", ""])
def test_another_machine(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("machine", "sender", "expected"),
    [
        ("mx.example.org", "d@digest.example", "mx.example.org"),
        ("8f2c", "d@digest.example", "digest.example"),
        ("localhost.localdomain", "d@digest.example", "digest.example"),
        ("1.0.0.127.in-addr.arpa", "d@digest.example", "digest.example"),
        ("8f2c", "d@localhost", None),
    ],
)
def test_what_we_call_ourselves(
    monkeypatch: pytest.MonkeyPatch, machine: str, sender: str, expected: str | None
) -> None:
    monkeypatch.setattr(socket, "getfqdn", lambda: machine)
    assert hello_name(sender) == expected


def test_the_transport_follows_from_the_settings() -> None:
    assert isinstance(connect(Settings())(), Mailbox)
    transport = connect(Settings(smtp_url="smtp://localhost"))()
    assert isinstance(transport, SmtpTransport)
    transport.close()


def test_we_say_our_name() -> None:
    with peer([GREETING, EHLO, hang_up]) as server, pytest.raises(Deferred):
        send(relay_to(server, Tls.NONE))
    assert server.heard[0][0] == b"ehlo digest.example"
