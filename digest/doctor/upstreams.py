"""The sources: whether they answer, and what time it is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from digest.doctor.finding import Finding
from digest.errors import SettingsError, SourceError
from digest.settings import Settings
from digest.sources import Client, Limits, build
from digest.sources.http import Traffic

LIMITS = Limits(connect=5, read=10, total=15, retries=0)
SLOW_CLOCK, WRONG_CLOCK = timedelta(seconds=30), timedelta(minutes=5)
"""From the first on links and signatures are off; from the second on receivers and TLS refuse us."""


def sources(settings: Settings, clock: Callable[[], datetime]) -> Iterator[Finding]:
    """Ask each for a little."""
    try:
        build(settings)
    except SettingsError as error:
        yield from (Finding.fail("source", problem, "mend DIGEST_SOURCES") for problem in error.problems)
        return
    skews: list[timedelta] = []
    with Client(settings.contact, limits=LIMITS) as client:
        for name, url in _addresses(settings).items():
            try:
                answer = client.get(url, traffic=Traffic(), understood=(400, 404), remembered=False)
            except SourceError as error:
                advice = "digests go out without it; see whether this machine may reach it"
                yield Finding.warn(f"source {name}", str(error), advice)
                continue
            yield Finding.ok(f"source {name}", "answers")
            if answer.dated:
                skews.append(clock() - answer.dated)
    yield _clock(skews)


def _addresses(settings: Settings) -> dict[str, str]:
    known = {
        "huggingface": f"{settings.huggingface_url}/api/daily_papers?limit=1",
        "arxiv": f"{settings.arxiv_feed_url}/rss/{next(iter(settings.arxiv_categories), 'cs.LG')}",
    }
    named = {name: known[name] for name in settings.sources}
    return named | {feed.name: feed.url for feed in settings.feeds}


def _clock(skews: list[timedelta]) -> Finding:
    if not skews:
        return Finding.warn("clock", "nobody was reached who could say what time it is", "see that NTP runs")
    skew = min(skews, key=abs)
    said = f"{abs(skew).total_seconds():.0f} seconds {'ahead' if skew > timedelta(0) else 'behind'}"
    if abs(skew) >= WRONG_CLOCK:
        return Finding.fail("clock", said, "set it, and let NTP keep it: timedatectl set-ntp true")
    if abs(skew) >= SLOW_CLOCK:
        return Finding.warn("clock", said, "let NTP keep it: timedatectl set-ntp true")
    return Finding.ok("clock", "agrees with the sources'")
