"""For monitors and the operator: health, numbers counted when they are asked for, and a page of plots.

`/healthz`: the process answers. `/readyz`: the database does, and the clock ticked within three minutes. `/metrics`:
the text format of Prometheus; any number of processes may be scraped, because nothing is counted in them.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute

from digest.subscription import Desk, numbers, signup
from digest.subscription.desk import words
from digest.subscription.numbers import Numbers
from digest.web import plots
from digest.web.visit import House, Visit, route

log = structlog.get_logger(__name__)

LATE = timedelta(minutes=3)
GUESSES = (10, 60.0)
"""Wrong tokens from one network: so many at once, then one each so many seconds."""
_LOCAL = {"127.0.0.1", "::1"}


def routes(house: House) -> Sequence[BaseRoute]:
    """The pages of this file."""
    return (
        route(house, "/healthz", healthy),
        route(house, "/readyz", ready),
        route(house, "/metrics", metrics),
        route(house, "/operator", operator),
    )


def healthy(_visit: Visit) -> Response:
    """The process answers."""
    return PlainTextResponse("ok\n")


def ready(visit: Visit) -> Response:
    """Whether this process can do its work."""
    problems = list(_problems(visit))
    return PlainTextResponse("\n".join(problems or ["ready"]) + "\n", 503 if problems else 200)


def metrics(visit: Visit) -> Response:
    """Numbers for Prometheus: for this machine, or with the operator's token."""
    if not _is_operator(visit) and not _is_local(visit):
        raise HTTPException(404)
    registry = CollectorRegistry()
    registry.register(_Counted(visit.desk))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def operator(visit: Visit) -> Response:
    """How things went for some weeks; the browser asks for the token as a password."""
    if not visit.desk.parts.settings.operator_token:
        raise HTTPException(404)
    if not _is_operator(visit):  # the same answer for every wrong token, and for any beyond the limit
        challenge = {"WWW-Authenticate": 'Basic realm="operator", charset="UTF-8"'}
        return PlainTextResponse("The operator's token is the password.\n", 401, headers=challenge)
    past = numbers.history(visit.desk)
    english = replace(visit, words=words("en"))  # as everything that is said to operators
    return english.page(
        "operator",
        now=numbers.now(visit.desk),
        subscribers=plots.stacked(past.subscribers, ("active", "paused", "unsubscribed")),
        deliveries=plots.stacked(past.deliveries, ("sent", "deferred", "unknown", "failed", "expired", "empty")),
        bounces=plots.stacked(past.bounces, ("hard", "soft", "ours", "complaint")),
        listings=plots.stacked(past.listings),
        topics=plots.bars(past.topics),
    )


def _problems(visit: Visit) -> Iterator[str]:
    try:
        numbers.answers(visit.desk)
    except Exception:
        log.exception("not ready")
        yield "the database does not answer"
    ticked = visit.house.pulse()
    if ticked is not None and visit.desk.now - ticked > LATE:
        yield f"the clock has not ticked since {ticked:%Y-%m-%d %H:%M} UTC"


class _Counted(Collector):
    """The store's numbers, counted when Prometheus asks."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def describe(self) -> list[Metric]:
        """Nothing is counted only to be registered."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All of it."""
        now = numbers.now(self._desk)
        yield _by("digest_subscribers", "Subscribers by state.", "state", now.subscribers)
        yield _by("digest_deliveries", "Deliveries by state.", "state", now.deliveries)
        yield from _ages(now, self._desk.now)
        for name, text, value in (
            ("digest_letters_waiting", "Confirmations and the like that wait to be sent.", now.letters),
            ("digest_suppressions", "Addresses never to be written to.", now.suppressions),
            ("digest_papers", "Papers that were ever news.", now.papers),
        ):
            yield GaugeMetricFamily(name, text, value=value)


def _ages(now: Numbers, moment: datetime) -> Iterator[Metric]:
    sources = {
        name: (moment - record.succeeded_at).total_seconds()
        for name, record in now.sources.items()
        if record.succeeded_at
    }
    yield _by("digest_source_age_seconds", "Since the last good read of each source.", "source", sources)
    failing = {name: float(bool(record.failure)) for name, record in now.sources.items()}
    yield _by("digest_source_failing", "1 while a source cannot be read.", "source", failing)
    for name, text, since in (
        ("digest_delivery_wait_seconds", "How long the longest waiting delivery could have gone.", now.waiting_since),
        ("digest_overdue_seconds", "How long the most overdue subscriber waits for an issue.", now.next_due_at),
    ):
        late = max(0.0, (moment - since).total_seconds()) if since else 0.0
        yield GaugeMetricFamily(name, text, value=late)


def _by(name: str, text: str, label: str, values: dict[str, int] | dict[str, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _is_operator(visit: Visit) -> bool:
    """Whether the token came along; from a network that guessed too often, not even the right one counts."""
    token, given = visit.desk.parts.settings.operator_token, _token(visit)
    if not (token and given):
        return False
    guesses = ("operator", visit.network, *GUESSES)
    if signup.spent(visit.desk, *guesses):
        return False
    if hmac.compare_digest(given.encode(), token.encode()):
        return True
    log.warning("wrong operator token")
    signup.allow(visit.desk, *guesses)
    return False


def _token(visit: Visit) -> str:
    """What was given as the token: Bearer by monitors, Basic by browsers; empty where nothing was."""
    scheme, _, given = visit.request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            given = base64.b64decode(given, validate=True).decode().partition(":")[2]
        except ValueError:  # no base64, not even ASCII, or no UTF-8 inside
            return ""
    return given.strip()


def _is_local(visit: Visit) -> bool:
    """Asked on this machine, and not through a proxy on it."""
    client = visit.request.client
    forwarded = {"x-forwarded-for", "forwarded"} & set(visit.request.headers)
    return client is not None and client.host in _LOCAL and not forwarded
