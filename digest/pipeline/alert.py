"""Tell the operator what needs a person: by mail, once a day for each cause, and in the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from digest.compose import Writer
from digest.delivery import Transport
from digest.errors import DigestError
from digest.models import DeliveryState, Message
from digest.pipeline.parts import Parts
from digest.pipeline.run import Report

log = structlog.get_logger(__name__)

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)

OLD = timedelta(hours=4)
"""Longer than this no message should wait: greylisting takes minutes, and a digest is expired after 20 hours."""

MANY = 5
"""Refused digests below this number are ordinary: people change their addresses."""

SHARE = 0.05
"""Of all digests of a day; mailbox providers ask for less than 2 to 5 % of dead addresses."""


def troubles(parts: Parts, report: Report) -> dict[str, str]:
    """What is wrong after a pass: cause -> what to tell. The cause decides what counts as the same trouble."""
    now = parts.clock()
    return {
        **_of_the_pass(report, now),
        **_of_the_sources(parts, now),
        **_of_the_queue(parts, now),
        **_of_what_came_back(parts, now),
    }


def alert(parts: Parts, found: Mapping[str, str]) -> None:
    """Log and mail what of *found* was not told within the last day."""
    now = parts.clock()
    news = {cause: text for cause, text in found.items() if _is_news(parts, cause, now)}
    if not news:
        return
    for cause, text in news.items():
        log.error("trouble", cause=cause, text=text)
    # Remembered first, or a full disk would have us write every minute. A relay that is at fault keeps this mail back
    # as well: then it is tried again in an hour.
    _remember(parts, news, now - DAY + HOUR)
    if tell(parts.settings.operator, parts.writer, parts.transports, parts.sign, news, now):
        _remember(parts, news, now)


def _of_the_pass(report: Report, now: datetime) -> dict[str, str]:
    found = {}
    if report.missed:
        late = f"{(now - report.missed) / HOUR:.0f} hours"
        found["missed"] = f"Digests due at {report.missed:%Y-%m-%d %H:%M} UTC were made {late} late: nothing ran."
    if report.delivered.stopped:
        found["stopped"] = f"Nothing leaves, and no reader is to blame: {report.delivered.stopped}"
    if report.planned.failed:
        found["choosing"] = f"The digests of {report.planned.failed} people could not be made; the log says why."
    return found


def _of_the_sources(parts: Parts, now: datetime) -> dict[str, str]:
    records = parts.store.sources.records()
    return {
        f"source {s.name}": f"{s.name} cannot be read since {since:%Y-%m-%d %H:%M} UTC: {records[s.name].failure}"
        for s in parts.sources
        if s.name in records and (since := records[s.name].failing_since) and now - since >= DAY
    }


def _of_the_queue(parts: Parts, now: datetime) -> dict[str, str]:
    found = {}
    waiting = parts.store.deliveries.waiting(now - OLD)
    if waiting > parts.store.subscribers.counts().get("active", 0) // 100:  # one full mailbox is no news
        found["queue"] = f"{waiting} digests wait for more than {OLD / HOUR:.0f} hours; see “digest outbox list”."
    counts = parts.store.deliveries.counts((now - DAY).date())
    refused, sent = counts.get(DeliveryState.FAILED, 0), counts.get(DeliveryState.SENT, 0)
    if refused > MANY and refused > SHARE * (refused + sent):
        found["refused"] = f"{refused} of {refused + sent} digests were refused since yesterday."
    return found


def _of_what_came_back(parts: Parts, now: datetime) -> dict[str, str]:
    """Bounces by mail arrive when all had seemed well: a relay that took every digest says nothing of them."""
    returned = parts.store.bounces.counts(now - DAY)
    total, sent = sum(returned.values()), parts.store.deliveries.counts((now - DAY).date()).get(DeliveryState.SENT, 0)
    if total <= MANY or total <= SHARE * sent:
        return {}
    kinds = ", ".join(f"{number} {kind}" for kind, number in returned.items())
    return {"returned": f"{total} mails came back within a day ({kinds}); {sent} digests were sent since yesterday."}


def _is_news(parts: Parts, cause: str, now: datetime) -> bool:
    told = parts.store.facts.get(_fact(cause))
    return told is None or not timedelta(0) <= now - datetime.fromisoformat(told) < DAY


def _remember(parts: Parts, causes: Iterable[str], told: datetime) -> None:
    parts.store.facts.put({_fact(cause): told.isoformat() for cause in causes})


def _fact(cause: str) -> str:
    return f"alert: {cause}"


def tell(
    operator: str,
    writer: Writer,
    transports: Callable[[], Transport],
    sign: Callable[[bytes, datetime], bytes] | None,
    news: Mapping[str, str],
    now: datetime,
) -> bool:
    """Mail it, without a look at the store; whether the operator has it now, or wants no mail."""
    if not operator:
        return True
    headline, problems = ", ".join(news), list(news.values())
    try:
        message = writer.mail("alert", operator, at=now, headline=headline, problems=problems)
        _send(transports, replace(message, data=sign(message.data, now)) if sign else message)
    except DigestError as error:
        log.warning("the operator could not be told", reason=str(error))
        return False
    return True


def _send(transports: Callable[[], Transport], message: Message) -> None:
    transport = transports()
    try:
        transport.send(message, lambda: None)
    finally:
        transport.close()
