"""What a year weighs: daily pulls, a digest a day for every reader, the nightly tidy; the size after each month.

    .venv/bin/python benchmarks/year.py [--readers 1000] [--papers 500] [--days 365] [--scale 20] [--json]

Invented papers with abstracts of the usual length, one in ten of them with votes that are read nine times, one in three
seen again as an update; 12 picks a digest, out of the 60 best papers of the day, as readers of one field share theirs.
Everything grows in proportion, so that a smaller installation is filled (`--scale`: so many times) and the sizes are
multiplied. Bar: a year for 1,000 readers below 1 GB.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from digest.models import (  # noqa: E402
    DeliveryState,
    Digest,
    Listing,
    ListingKind,
    Paper,
    Pick,
    Profile,
    Reason,
    ReasonKind,
    Section,
    Signal,
    Subscriber,
)
from digest.pipeline.plan import BACKGROUND  # noqa: E402
from digest.store import Beginning, Outcome, Store, open_store  # noqa: E402

START = datetime(2026, 1, 1, 5, tzinfo=UTC)
WORDS = [
    f"{a}{b}{c}" for a in ("ba", "ne", "tri", "so") for b in ("lum", "ker", "dif", "ta") for c in ("ing", "ed", "s")
]


def a_paper(day: date, number: int, chance: random.Random) -> Paper:
    """One of the usual length: 80 characters of title, 1,300 of abstract, five authors."""
    identity = f"{day:%y%m}.{day:%d}{number:03d}"
    return Paper(
        id=identity,
        title=" ".join(chance.choices(WORDS, k=11)),
        abstract=" ".join(chance.choices(WORDS, k=190)),
        authors=tuple(
            f"{a.title()} {b.title()}" for a, b in zip(*[iter(chance.choices(WORDS, k=10))] * 2, strict=True)
        ),
        categories=("cs.CL", "cs.AI"),
        published=START,
        url=f"https://arxiv.org/abs/{identity}",
        pdf_url=f"https://arxiv.org/pdf/{identity}",
    )


def a_day(store: Store, people: Sequence[Subscriber], papers: int, now: datetime, chance: random.Random) -> None:
    """Pull, plan, send, tidy."""
    brought = [a_paper(now.date(), n, chance) for n in range(papers)]
    store.papers.add([Listing("arxiv", p, now) for p in brought], now)
    for moment in (now + timedelta(hours=8 * n) for n in range(9)):
        popular = [Listing("huggingface", p, now, signal=Signal(moment, 7)) for p in brought[: papers // 10]]
        store.papers.add(popular, now)
    store.papers.add([Listing("arxiv", p, now, ListingKind.UPDATE) for p in brought[: papers // 3]], now)
    best = [
        Pick(p, 0.5, Section.FOR_YOU, (Reason(ReasonKind.TOPIC, "a topic", ("ing", "ed"), 0.8),), now, ("arxiv",))
        for p in brought[: max(12, papers * 60 // 500)]
    ]
    digests = [Digest(p, now.date(), now, tuple(chance.sample(best, min(12, len(best)))), papers) for p in people]
    store.deliveries.plan(digests, {})
    while claims := store.deliveries.claim(now, "year", 500):
        store.deliveries.mark([Beginning(c.id, "5" * 64, f"<{c.id:032}@example.org>", now) for c in claims], [], "year")
        reply = "250 2.0.0 Ok: queued as 4XyZ12AbCd"
        store.deliveries.mark([], [Outcome(c.id, DeliveryState.SENT, now, reply) for c in claims], "year")


def year(readers: int, papers: int, days: int, scale: int) -> list[dict[str, float]]:
    """Sizes in MB at the end of each month, multiplied by *scale*."""
    chance, sizes = random.Random(1), []
    with tempfile.TemporaryDirectory() as folder, closing(open_store(f"sqlite:///{folder}/d.sqlite", str)) as store:
        store.subscribers.sync([Profile(f"reader{n}@example.org") for n in range(readers // scale)], START)
        people = list(store.subscribers.everyone())
        for number in range(days):
            now = START + timedelta(days=number)
            a_day(store, people, papers // scale, now, chance)
            store.attic.tidy(now, BACKGROUND // scale)
            if (now + timedelta(days=1)).day == 1 or number == days - 1:
                found = store.attic.sizes()
                sizes.append({"day": number + 1, "mb": round(found["bytes"] * scale / 1e6, 1)})
    return sizes


def main() -> None:
    """Print a line a month."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", type=int, default=1000)
    parser.add_argument("--papers", type=int, default=500)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--scale", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    sizes = year(given.readers, given.papers, given.days, given.scale)
    if given.json:
        print(json.dumps(sizes[-1]))
        return
    for size in sizes:
        print(f"after {size['day']:3} days: {size['mb']:8,.1f} MB")


if __name__ == "__main__":
    main()
