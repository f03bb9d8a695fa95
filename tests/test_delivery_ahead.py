"""The next message is announced behind a body (RFC 2920, section 3.1), and nothing is sent that should not be."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from digest.delivery.smtp import SmtpTransport
from digest.errors import Ambiguous, Deferred, DeliveryError, Refused
from digest.models import Message
from tests.smtp_servers import EHLO, EHLO_PLAIN, GREETING, MOODS, Answer, hang_up, moody, peer
from tests.test_delivery_smtp import GO, OK, a_message, a_transport, ready

ADA, BO, CY = (a_message(name.encode() + b"\r\n", f"{name}@example.org") for name in ("ada", "bo", "cy"))
BO_S_ENVELOPE = b"MAIL FROM:<b@b.example>\r\nRCPT TO:<bo@example.org>\r\nDATA\r\n"


def test_the_next_envelope_leaves_behind_the_body_before_it_is_answered() -> None:
    with peer([GREETING, EHLO, OK, OK, GO, "250 one", OK, OK, GO, "250 two"]) as server, a_transport(server) as line:
        assert line.send(ADA, ready, lambda: BO) == "250 one"
        assert line.send(BO, ready) == "250 two"
    assert b"".join(server.writes[0][2:]).startswith(ADA.data + b".\r\n" + BO_S_ENVELOPE + BO.data)


def test_it_is_asked_for_while_the_relay_thinks_of_the_one_before() -> None:
    heard: list[bytes] = []

    def upcoming() -> Message:
        heard.extend(server.heard[0][1:])
        return BO

    with peer([GREETING, EHLO, OK, OK, GO, "250 one", OK, OK, GO, "250 two"]) as server, a_transport(server) as line:
        line.send(ADA, ready, upcoming)
        line.send(BO, ready)
    assert not any(each.startswith(b"From:") for each in heard)


def test_a_relay_that_does_not_pipeline_hears_one_thing_at_a_time() -> None:
    script = [GREETING, EHLO_PLAIN, OK, OK, GO, "250 one", OK, OK, GO, "250 two"]
    with peer(script) as server, a_transport(server) as line:
        line.send(ADA, ready, lambda: BO)
        line.send(BO, ready)
    assert b"MAIL FROM:<b@b.example>\r\n" in server.writes[0]


def test_a_refused_body_does_not_cost_the_one_that_is_announced() -> None:
    script = [GREETING, EHLO, OK, OK, GO, "554 5.7.1 no", OK, OK, GO, "250 two"]
    with peer(script) as server, a_transport(server) as line:
        with pytest.raises(DeliveryError):
            line.send(ADA, ready, lambda: BO)
        assert line.send(BO, ready) == "250 two"
    assert b"rset" not in server.heard[0]
    assert len(server.heard) == 1


def test_an_announced_reader_who_is_refused_costs_nobody_else() -> None:
    script = [
        GREETING,
        EHLO,
        OK,
        OK,
        GO,
        "250 one",
        OK,
        "550 5.1.1 who",
        "503 no",
        "250 reset",
        OK,
        OK,
        GO,
        "250 three",
    ]
    with peer(script) as server, a_transport(server) as line:
        line.send(ADA, ready, lambda: BO)
        with pytest.raises(Refused):
            line.send(BO, ready, lambda: CY)
        assert line.send(CY, ready) == "250 three"


def test_who_was_announced_and_is_not_sent_gets_nothing() -> None:
    """After 354 only hanging up takes a message back."""
    first: list[Answer] = [GREETING, EHLO, OK, OK, GO, "250 one", OK, OK, GO]
    with peer(first, [GREETING, EHLO, OK, OK, GO, "250 three"]) as server, a_transport(server) as line:
        line.send(ADA, ready, lambda: BO)
        assert line.send(CY, ready) == "250 three"
    assert not any(BO.data in heard for connection in server.heard for heard in connection)


def test_at_the_end_of_a_run_an_announced_message_is_taken_back() -> None:
    with peer([GREETING, EHLO, OK, OK, GO, "250 one", OK, OK, GO]) as server:
        with a_transport(server) as line:
            line.send(ADA, ready, lambda: BO)
        assert b"quit" not in server.heard[0]


def test_a_relay_that_closes_after_a_body_gets_the_announced_one_anew() -> None:
    first: list[Answer] = [GREETING, EHLO, OK, OK, GO, "250 one", hang_up]
    with peer(first, [GREETING, EHLO, OK, OK, GO, "250 two"]) as server, a_transport(server) as line:
        line.send(ADA, ready, lambda: BO)
        assert line.send(BO, ready) == "250 two"
    assert len(server.heard) == 2


def test_silence_after_a_body_leaves_only_that_one_in_doubt() -> None:
    first: list[Answer] = [GREETING, EHLO, OK, OK, GO, hang_up]
    with peer(first, [GREETING, EHLO, OK, OK, GO, "250 two"]) as server, a_transport(server) as line:
        with pytest.raises(Ambiguous):
            line.send(ADA, ready, lambda: BO)
        assert line.send(BO, ready) == "250 two"


def test_a_goodbye_instead_of_an_answer_to_the_announced_one_defers_it() -> None:
    first: list[Answer] = [GREETING, EHLO, OK, OK, GO, "250 one", "421 4.3.2 enough", hang_up]
    with peer(first) as server, a_transport(server) as line:
        line.send(ADA, ready, lambda: BO)
        with pytest.raises(Deferred):
            line.send(BO, ready)


def test_the_last_message_of_a_connection_announces_nothing() -> None:
    first: list[Answer] = [GREETING, EHLO, OK, OK, GO, "250 one"]
    with (
        peer(first, [GREETING, EHLO, OK, OK, GO, "250 two"]) as server,
        a_transport(server, messages_per_connection=1) as line,
    ):
        line.send(ADA, ready, lambda: BO)
        line.send(BO, ready)
    assert BO_S_ENVELOPE not in b"".join(server.writes[0])


@settings(max_examples=150, deadline=None)
@given(
    moods=st.lists(st.just("well") | st.sampled_from(MOODS), max_size=24),
    skipped=st.sets(st.integers(0, 5), max_size=2),
)
@example(moods=["well"] * 4 + ["421"], skipped=set())
@example(moods=["well"] * 7 + ["hangs up"], skipped=set())
def test_whatever_the_server_does_we_know_what_became_of_each_message(moods: list[str], skipped: set[int]) -> None:
    """As without announcing; a message that is announced and then skipped is never taken."""
    sent: list[bytes] = []
    doubted: list[bytes] = []
    messages = [a_message(b"message %d\r\n" % number) for number in range(6)]
    with moody(moods, pipelining=True) as server, a_transport(server) as transport:
        for number, message in enumerate(messages):
            if number not in skipped:
                _send(transport, message, messages[number + 1 : number + 2], sent, doubted)
    assert [body.rpartition(b"\r\n")[2] for body in server.taken] == sent
    assert [body.rpartition(b"\r\n")[2] for body in server.taken_in_silence] == doubted


def _send(
    transport: SmtpTransport,
    message: Message,
    following: Sequence[Message],
    sent: list[bytes],
    doubted: list[bytes],
) -> None:
    name = message.data.splitlines()[-1]
    try:
        transport.send(message, ready, lambda: following[0] if following else None)
        sent.append(name)
    except Ambiguous:
        doubted.append(name)
    except DeliveryError:
        pass
