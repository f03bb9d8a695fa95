"""Every fault that Postfix's smtp-sink can inject, at every stage, and what comes of it."""

from __future__ import annotations

import pytest

from digest.delivery.relay import Relay
from digest.delivery.session import Timeouts
from digest.delivery.smtp import SmtpTransport
from digest.errors import Ambiguous, Deferred, DeliveryError, Refused, SenderAtFault
from digest.models import Message
from digest.settings import Settings
from tests.smtp_servers import postfix_sink

pytestmark = pytest.mark.sink

MESSAGE = Message("b@b.example", "ada@example.org", b"Subject: an invented digest\r\n\r\nHello.\r\n")

SOFT, HARD, DROP, DROP_421 = "-r", "-f", "-q", "-Q"

MATRIX: dict[tuple[str, str], type[DeliveryError]] = {
    (SOFT, "connect"): Deferred,
    (SOFT, "ehlo"): Deferred,
    (SOFT, "mail"): Deferred,
    (SOFT, "rcpt"): Deferred,
    (SOFT, "data"): Deferred,
    (SOFT, "."): Deferred,
    (HARD, "connect"): SenderAtFault,
    (HARD, "ehlo"): SenderAtFault,
    (HARD, "mail"): SenderAtFault,
    (HARD, "rcpt"): Refused,
    (HARD, "data"): Refused,
    (HARD, "."): Refused,
    (DROP, "connect"): Deferred,
    (DROP, "ehlo"): Deferred,
    (DROP, "mail"): Deferred,
    (DROP, "rcpt"): Deferred,
    (DROP, "data"): Deferred,
    (DROP, "."): Ambiguous,
    (DROP_421, "connect"): Deferred,
    (DROP_421, "ehlo"): Deferred,
    (DROP_421, "mail"): Deferred,
    (DROP_421, "rcpt"): Deferred,
    (DROP_421, "data"): Deferred,
    (DROP_421, "."): Deferred,
}


@pytest.mark.parametrize(("fault", "stage"), MATRIX)
@pytest.mark.parametrize("pipelining", [True, False], ids=["pipelined", "one by one"])
def test_every_fault_has_one_outcome(fault: str, stage: str, pipelining: bool) -> None:
    options = [fault, stage] if pipelining else ["-p", fault, stage]
    body_due: list[bool] = []
    with postfix_sink(*options) as server:
        transport = SmtpTransport(Relay.from_settings(Settings(smtp_url=server.url)), timeouts=Timeouts(quit=1))
        with pytest.raises(DeliveryError) as failure:
            transport.send(MESSAGE, lambda: body_due.append(True))
        transport.close()
        got_body = server.got(b"Hello.")
    error = failure.value
    assert type(error) is MATRIX[fault, stage]
    assert body_due == [True] * (stage == ".")
    assert got_body == (stage == "."), "nothing leaves before it is due"
    assert getattr(error, "address_is_dead", False) is False
    if isinstance(error, Deferred) and fault in {DROP, DROP_421}:
        assert error.close


def test_without_faults_it_arrives_once() -> None:
    with postfix_sink() as server:
        transport = SmtpTransport(Relay.from_settings(Settings(smtp_url=server.url)))
        assert transport.send(MESSAGE, lambda: None).startswith("250 2.0.0")
        transport.close()
        assert server.got(b"Hello.")
