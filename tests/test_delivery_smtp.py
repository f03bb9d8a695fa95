"""The envelope exchange, against a real server and against ones that misbehave."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from digest.delivery.outgoing import crlf, longest_line, stuff
from digest.delivery.relay import Relay
from digest.delivery.session import Timeouts
from digest.delivery.smtp import SmtpTransport
from digest.errors import Ambiguous, Deferred, DeliveryError, Refused, SenderAtFault
from digest.models import Message
from digest.settings import Settings
from tests.smtp_servers import (
    EHLO,
    EHLO_PLAIN,
    GREETING,
    MOODS,
    Answer,
    Peer,
    Sink,
    babble,
    hang_up,
    moody,
    peer,
    reset,
    sink,
    stay_silent,
    trickle,
)

HEADER = b"From: digest@digest.example\r\nTo: ada@example.org\r\nSubject: an invented digest\r\n\r\n"
QUICK = Timeouts(connect=2, greeting=0.4, command=0.4, data=0.4, body=0.4, end=0.4, quit=0.4)
QUICK_AT_THE_END = Timeouts(connect=5, greeting=5, command=5, data=5, body=0.4, end=0.4, quit=2)
PATIENT = Timeouts(connect=5, greeting=5, command=5, data=5, body=5, end=5, quit=2)
OK = "250 2.1.0 ok"
GO = "354 go ahead"


def a_message(body: bytes = b"Hello.\r\n", recipient: str = "ada@example.org", sender: str = "b@b.example") -> Message:
    return Message(sender, recipient, HEADER + body)


def ready() -> None:
    """Before the body there is nothing to do."""


@contextmanager
def a_transport(
    server: Sink | Peer, timeouts: Timeouts = PATIENT, messages_per_connection: int = 100
) -> Iterator[SmtpTransport]:
    relay = Relay.from_settings(Settings(smtp_url=server.url))
    transport = SmtpTransport(
        relay, hello="digest.example", timeouts=timeouts, messages_per_connection=messages_per_connection
    )
    try:
        yield transport
    finally:
        transport.close()


def outcome(transport: SmtpTransport, message: Message | None = None) -> tuple[type[DeliveryError] | None, bool]:
    """What *message* came to, and whether the body was about to go."""
    called: list[bool] = []
    try:
        transport.send(message or a_message(), lambda: called.append(True))
    except DeliveryError as error:
        return type(error), bool(called)
    return None, bool(called)


# ---- what arrives ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("extensions", [(), ("PIPELINING",)], ids=["one by one", "pipelined"])
def test_the_received_bytes_are_those_that_were_sent(extensions: Sequence[str]) -> None:
    message = a_message(b".a dot\r\n..two dots\r\n.\r\nMAIL FROM:<x@y.example>\r\n\r\n" + b"x" * 998 + b"\r\n.")
    with sink(extensions=extensions) as server, a_transport(server) as transport:
        assert transport.send(message, ready) == "250 2.0.0 kept as 1"
    [received] = server.messages
    assert received.data == message.data + b"\r\n"
    assert (received.sender, received.recipients) == ("b@b.example", ("ada@example.org",))
    assert f"SIZE={len(message.data) + 2}" in received.options


def test_the_envelope_is_one_write_where_the_server_pipelines() -> None:
    with peer([GREETING, EHLO, OK, OK, GO, "250 kept"]) as server, a_transport(server) as transport:
        transport.send(a_message(), ready)
    assert server.writes[0][1] == b"MAIL FROM:<b@b.example>\r\nRCPT TO:<ada@example.org>\r\nDATA\r\n"


def test_nothing_is_pipelined_that_the_server_did_not_offer() -> None:
    with peer([GREETING, EHLO_PLAIN, OK, OK, GO, "250 kept"]) as server, a_transport(server) as transport:
        transport.send(a_message(), ready)
    assert server.writes[0][1:4] == [b"MAIL FROM:<b@b.example>\r\n", b"RCPT TO:<ada@example.org>\r\n", b"DATA\r\n"]


def test_the_body_waits_for_the_promise_that_it_is_recorded() -> None:
    """Whoever records `in_data` must be done before the first byte leaves."""
    with peer([GREETING, EHLO, OK, OK, GO, "250 kept"]) as server, a_transport(server) as transport:
        heard_before: list[int] = []
        transport.send(a_message(), lambda: heard_before.append(len(server.heard[0])))
    assert heard_before == [4]  # EHLO, MAIL, RCPT, DATA
    assert server.heard[0][4] == a_message().data.removesuffix(b"\r\n")


def test_if_recording_fails_nothing_is_sent_and_the_next_message_is_fine() -> None:
    class LedgerIsGoneError(Exception):
        pass

    def fail() -> None:
        raise LedgerIsGoneError

    with sink(extensions=["PIPELINING"]) as server, a_transport(server) as transport:
        with pytest.raises(LedgerIsGoneError):
            transport.send(a_message(b"never\r\n"), fail)
        transport.send(a_message(b"sent\r\n"), ready)
    assert [m.data for m in server.messages] == [a_message(b"sent\r\n").data]


def test_even_a_delivery_error_from_recording_sends_nothing_into_the_body() -> None:
    """After 354 a RSET would be text of the message; only hanging up takes it back."""

    def fail() -> None:
        raise Refused("unsubscribed a moment ago")

    with peer([GREETING, EHLO, OK, OK, GO]) as server, a_transport(server) as transport, pytest.raises(Refused):
        transport.send(a_message(), fail)
    assert server.heard[0][4:] == []


@given(
    st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b".", b"..", b"x", b" ", b"\r\n.\r\n", b"\n.\n"])).map(b"".join)
)
def test_every_body_survives_dots_and_loses_bare_line_ends(data: bytes) -> None:
    wire = stuff(*crlf(data))
    assert wire.endswith(b".\r\n")
    lines = wire.split(b"\r\n")
    assert lines[-1] == b""
    assert lines[-2] == b"."
    assert b"." not in lines[:-2], "the message would end here"
    assert not any(b"\r" in line or b"\n" in line for line in lines)
    unstuffed = [line[1:] if line.startswith(b".") else line for line in lines[:-2]]
    assert unstuffed == data.splitlines()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=2000).filter(lambda b: max(map(len, b.splitlines()), default=0) <= 998))
def test_any_bytes_arrive_as_they_left(shared_sink: Sink, body: bytes) -> None:
    with a_transport(shared_sink) as transport:
        transport.send(a_message(body), ready)
    assert shared_sink.messages.pop().data == crlf(a_message(body).data)[0]


@pytest.fixture(scope="module")
def shared_sink() -> Iterator[Sink]:
    with sink(extensions=["PIPELINING"]) as server:
        yield server


@pytest.mark.parametrize(("length", "taken"), [(998, True), (999, False), (5000, False)])
def test_a_line_that_smtp_cannot_carry_is_refused_before_anything_is_said(
    shared_sink: Sink, length: int, taken: bool
) -> None:
    with a_transport(shared_sink) as transport:
        result, _ = outcome(transport, a_message(b"x" * length + b"\r\n"))
    assert result is (None if taken else Refused)
    assert len(shared_sink.messages) == taken
    shared_sink.messages.clear()


# ---- extensions and addresses ----------------------------------------------------------------------------------------


def test_a_domain_beyond_ascii_travels_as_a_labels(shared_sink: Sink) -> None:
    with a_transport(shared_sink) as transport:
        transport.send(a_message(recipient="ada@straße.example", sender="b@bücher.example"), ready)
    received = shared_sink.messages.pop()
    assert received.recipients == ("ada@xn--strae-oqa.example",)
    assert received.sender == "b@xn--bcher-kva.example"
    assert "SMTPUTF8" not in received.options


def test_smtputf8_is_used_only_where_an_address_needs_it() -> None:
    with sink(enable_SMTPUTF8=True) as server, a_transport(server) as transport:
        transport.send(a_message(), ready)
        transport.send(a_message(recipient="jörg@bücher.example"), ready)
    plain, international = server.messages
    assert "SMTPUTF8" not in plain.options
    assert "SMTPUTF8" in international.options
    assert international.recipients == ("jörg@xn--bcher-kva.example",)


def test_a_reader_whom_the_relay_cannot_address_is_refused_and_not_dead() -> None:
    with sink(enable_SMTPUTF8=False) as server, a_transport(server) as transport:
        with pytest.raises(Refused, match="SMTPUTF8") as refused:
            transport.send(a_message(recipient="jörg@example.org"), ready)
        assert not refused.value.address_is_dead
        transport.send(a_message(), ready)
    assert len(server.messages) == 1


def test_eight_bit_text_is_announced_or_refused() -> None:
    text = a_message("Grüße\r\n".encode())
    with sink(enable_SMTPUTF8=True) as server, a_transport(server) as transport:  # aiosmtpd offers 8BITMIME
        transport.send(text, ready)
        assert "BODY=8BITMIME" in server.messages[0].options
    with peer([GREETING, EHLO_PLAIN]) as old, a_transport(old) as transport:
        assert outcome(transport, text) == (Refused, False)


def test_a_message_too_long_for_the_server_is_refused_without_sending_it() -> None:
    with (
        sink(data_size_limit=1000) as server,
        a_transport(server) as transport,
        pytest.raises(Refused, match="takes 1000") as refused,
    ):
        transport.send(a_message(b"x\r\n" * 500), ready)
    assert refused.value.enhanced == "5.3.4"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ada",
        "@example.org",
        "ada@",
        "a b@example.org",
        "a@example.org>\r\nDATA",
        "a\0@example.org",
        "<a@b>",
        "a@-ü-.example",
    ],
)
def test_an_address_cannot_break_out_of_its_command(shared_sink: Sink, address: str) -> None:
    with a_transport(shared_sink) as transport:
        assert outcome(transport, a_message(recipient=address)) == (Refused, False)
        if address:
            assert outcome(transport, a_message(sender=address)) == (SenderAtFault, False)
    assert not shared_sink.messages


@given(st.lists(st.integers(0, 1100), max_size=6))
def test_a_long_line_is_found_wherever_it_is(lengths: list[int]) -> None:
    data = b"".join(b"x" * length + b"\r\n" for length in lengths)
    assert longest_line(crlf(data)[1]) == max(lengths, default=0)


def test_the_empty_sender_is_legal(shared_sink: Sink) -> None:
    with a_transport(shared_sink) as transport:
        transport.send(a_message(sender=""), ready)
    assert shared_sink.messages.pop().sender == "<>"


# ---- refusals --------------------------------------------------------------------------------------------------------


def test_a_refused_reader_does_not_keep_the_next_from_getting_theirs() -> None:
    answers = {"dead@example.org": "550 5.1.1 no such user", "grey@example.org": "451 4.7.1 try again in 5 minutes"}
    with sink(answers=answers, extensions=["PIPELINING"]) as server, a_transport(server) as transport:
        with pytest.raises(Refused) as refused:
            transport.send(a_message(recipient="dead@example.org"), ready)
        assert refused.value.address_is_dead
        with pytest.raises(Deferred) as deferred:
            transport.send(a_message(recipient="grey@example.org"), ready)
        assert deferred.value.retry_after == 300
        transport.send(a_message(), ready)
    [received] = server.messages
    assert received.recipients == ("ada@example.org",)
    assert received.connection == 1, "one connection for all three"


def test_data_that_was_accepted_for_nobody_is_ended_by_a_dot() -> None:
    """RFC 2920, section 3.1: a server may answer 354 although it refused the only recipient."""
    refused = [GREETING, EHLO, OK, "550 5.1.1 no such user", GO, "554 5.5.1 no valid recipients", "250 reset"]
    with peer([*refused, OK, OK, GO, "250 kept"]) as server, a_transport(server) as transport:
        assert outcome(transport) == (Refused, False)
        assert outcome(transport) == (None, True)
    assert server.writes[0][2:4] == [b".\r\n", b"RSET\r\n"]


def test_a_refused_sender_is_our_fault_though_the_rest_was_refused_in_its_wake() -> None:
    script = [GREETING, EHLO, "550 5.7.1 not you", "503 5.5.1 no sender", "503 5.5.1 no recipient", "250 reset"]
    with peer(script) as server, a_transport(server) as transport, pytest.raises(SenderAtFault, match="not you"):
        transport.send(a_message(), ready)
    assert server.heard[0][4] == b"RSET"


@pytest.mark.parametrize(
    ("answers", "expected"),
    [([OK, "550 5.1.1 no such user", hang_up], Refused), (["550 5.7.1 not you", hang_up], SenderAtFault)],
)
def test_a_refusal_counts_though_the_server_hangs_up_on_it(
    answers: list[Answer], expected: type[DeliveryError]
) -> None:
    with peer([GREETING, EHLO, *answers]) as server, a_transport(server) as transport:
        assert outcome(transport) == (expected, False)


# ---- connections -----------------------------------------------------------------------------------------------------


def test_a_connection_is_used_so_often_and_not_more() -> None:
    with sink() as server, a_transport(server, messages_per_connection=2) as transport:
        for _ in range(5):
            transport.send(a_message(), ready)
    assert [m.connection for m in server.messages] == [1, 1, 2, 2, 3]


IDLE_ENDS: dict[str, list[Answer]] = {
    "closed": [hang_up],
    "reset": [reset],
    "421": ["421 4.4.2 idle too long", hang_up],
    "421 instead of an answer": ["421 4.7.0 too many messages in this connection"],
}


@pytest.mark.parametrize("end", IDLE_ENDS.values(), ids=IDLE_ENDS)
def test_a_connection_that_the_server_closed_meanwhile_is_no_failure(end: list[Answer]) -> None:
    first = [GREETING, EHLO, OK, OK, GO, "250 first", *end]
    with peer(first, [GREETING, EHLO, OK, OK, GO, "250 second"]) as server, a_transport(server) as transport:
        assert transport.send(a_message(), ready) == "250 first"
        calls: list[bool] = []
        assert transport.send(a_message(), lambda: calls.append(True)) == "250 second"
        assert calls == [True]


def test_a_fresh_connection_that_fails_is_not_tried_again() -> None:
    works = [GREETING, EHLO, OK, OK, GO, "250 kept"]
    with peer([GREETING, EHLO, hang_up], works) as server, a_transport(server) as transport:
        assert outcome(transport) == (Deferred, False)
        assert outcome(transport) == (None, True)


LATE_ENDS: dict[str, list[Answer]] = {
    "RCPT": [OK, "421 4.3.2 closing", hang_up],
    "DATA": [OK, OK, hang_up],
    "the final dot": [OK, OK, GO, "421 4.3.2 closing", hang_up],
}


@pytest.mark.parametrize("end", LATE_ENDS.values(), ids=LATE_ENDS)
def test_a_connection_that_ends_later_in_the_exchange_defers(end: list[Answer]) -> None:
    """Past MAIL FROM, the server has seen this message: it is not for us to try again at once."""
    first = [GREETING, EHLO, OK, OK, GO, "250 first", *end]
    with peer(first, [GREETING, EHLO, OK, OK, GO, "250 second"]) as server, a_transport(server) as transport:
        transport.send(a_message(), ready)
        assert outcome(transport)[0] is Deferred
        assert len(server.heard) == 1


def test_a_server_that_left_first_needs_no_quit() -> None:
    with peer([GREETING, EHLO, OK, OK, GO, "250 kept", hang_up]) as server, a_transport(server) as transport:
        assert transport.send(a_message(), ready) == "250 kept"
        transport.close()
        transport.close()


def test_the_server_gets_a_quit() -> None:
    with peer([GREETING, EHLO, OK, OK, GO, "250 kept"]) as server, a_transport(server) as transport:
        transport.send(a_message(), ready)
    assert server.heard[0][-1] == b"quit"


def test_a_server_that_is_not_there_defers() -> None:
    with peer() as server:
        pass
    with a_transport(server) as transport, pytest.raises(Deferred, match="refused") as deferred:
        transport.send(a_message(), ready)
    assert deferred.value.close


# ---- servers that misbehave ------------------------------------------------------------------------------------------

STAGES: dict[str, list[Answer]] = {
    "connect": [],
    "ehlo": [GREETING],
    "mail": [GREETING, EHLO],
    "rcpt": [GREETING, EHLO, OK],
    "data": [GREETING, EHLO, OK, OK],
}
MISDEEDS: dict[str, Answer] = {
    "closes": hang_up,
    "resets": reset,
    "stalls": stay_silent,
    "trickles": trickle,
    "babbles without end": babble,
    "speaks HTTP": "HTTP/1.1 400 Bad Request",
    "sends bytes": b"\xff\xfe\0\0\r\n",
    "sends one endless line": b"2" * 100_000,
    "changes its mind": "250-yes\r\n550 no",
    "says 421": "421 4.3.2 shutting down",
}


@pytest.mark.parametrize("misdeed", MISDEEDS.values(), ids=MISDEEDS)
@pytest.mark.parametrize("stage", STAGES)
def test_a_server_that_misbehaves_before_the_body_defers(stage: str, misdeed: Answer) -> None:
    with (
        peer([*STAGES[stage], misdeed]) as server,
        a_transport(server, QUICK) as transport,
        pytest.raises(Deferred) as deferred,
    ):
        transport.send(a_message(), pytest.fail)  # never called
    assert deferred.value.close


@pytest.mark.parametrize("misdeed", MISDEEDS.values(), ids=MISDEEDS)
def test_a_server_that_misbehaves_after_the_final_dot_leaves_us_in_doubt(misdeed: Answer) -> None:
    with peer([GREETING, EHLO, OK, OK, GO, misdeed]) as server, a_transport(server, QUICK_AT_THE_END) as transport:
        expected = Deferred if misdeed == MISDEEDS["says 421"] else Ambiguous
        assert outcome(transport) == (expected, True)


def test_an_answer_out_of_turn_to_the_final_dot_leaves_us_in_doubt() -> None:
    with peer([GREETING, EHLO, OK, OK, GO, "354 go on"]) as server, a_transport(server) as transport:
        assert outcome(transport) == (Ambiguous, True)


def test_an_operator_who_interrupts_does_not_leave_a_connection_in_mid_message() -> None:
    """What was in the body stays `in_data`; the next message must not be written into it."""

    def interrupt(connection: socket.socket) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        stay_silent(connection)

    works = [GREETING, EHLO, OK, OK, GO, "250 kept"]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    try:
        with peer([GREETING, EHLO, OK, OK, GO, interrupt], works) as server, a_transport(server) as transport:
            with pytest.raises(KeyboardInterrupt):
                transport.send(a_message(), ready)
            assert transport.send(a_message(), ready) == "250 kept"
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("stage", "answer"), [("mail", "354 go"), ("rcpt", "354 go"), ("data", "250 ok"), ("data", "220 hello")]
)
def test_an_answer_out_of_turn_defers(stage: str, answer: str) -> None:
    with peer([*STAGES[stage], answer, hang_up]) as server, a_transport(server) as transport:
        assert outcome(transport) == (Deferred, False)


@settings(max_examples=100, deadline=None)
@given(moods=st.lists(st.just("well") | st.sampled_from(MOODS), max_size=16), pipelining=st.booleans())
@example(moods=["well"] * 7 + ["421"], pipelining=True)
@example(moods=["well"] * 7 + ["hangs up"], pipelining=True)
def test_whatever_the_server_does_we_know_what_became_of_each_message(moods: list[str], pipelining: bool) -> None:
    """Sent means taken; in doubt means that nobody said; all the rest was not taken. And recorded before it left."""
    sent, doubted, due = [], [], []
    with moody(moods, pipelining=pipelining) as server, a_transport(server) as transport:
        for number in range(4):
            name = b"message %d" % number
            try:
                transport.send(a_message(name + b"\r\n"), lambda name=name: due.append(name))  # type: ignore[misc]
                sent.append(name)
            except Ambiguous:
                doubted.append(name)
            except DeliveryError:
                pass
    assert [body.rpartition(b"\r\n")[2] for body in server.taken] == sent
    assert [body.rpartition(b"\r\n")[2] for body in server.taken_in_silence] == doubted
    assert {*sent, *doubted} <= set(due)
    assert len(due) == len(set(due)), "one message, one body"


def test_a_body_of_which_the_end_never_left_is_not_in_doubt() -> None:
    """The final dot is the last byte: while it is here, the server must forget the rest (RFC 5321, section 3.8)."""
    huge = a_message((b"y" * 70 + b"\r\n") * 400_000)
    script: list[Answer] = [GREETING, EHLO, OK, OK, go_and_do_nothing]
    with peer(script) as server, a_transport(server, QUICK_AT_THE_END) as transport:
        assert outcome(transport, huge) == (Deferred, True)


def go_and_do_nothing(connection: socket.socket) -> None:
    connection.sendall(b"354 go ahead\r\n")
    time.sleep(1)


def test_an_explanation_of_many_lines_is_kept_on_one() -> None:
    said = "550-5.1.1 The account does not exist.\r\n550-5.1.1 Try\x1b[31m\r\n550 5.1.1 another."
    with (
        peer([GREETING, EHLO, OK, said, "503 no", "250 reset"]) as server,
        a_transport(server) as transport,
        pytest.raises(Refused) as refused,
    ):
        transport.send(a_message(), ready)
    assert str(refused.value) == "RCPT TO: 550 5.1.1 The account does not exist. 5.1.1 Try [31m 5.1.1 another."
    assert (refused.value.code, refused.value.enhanced) == (550, "5.1.1")
