"""What a digest costs from picks to bytes, beside a plain `EmailMessage` of the same content in the same run.

    python -m benchmarks.compose [--json]

CPU time of this process, so that a busy machine changes little. Each round writes the same invented papers to readers
who differ (other tokens and links, other addresses), as one issue does; the plain build gets the finished HTML and text and
only has to make a message of them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from itertools import count
from pathlib import Path
from time import process_time

sys.path.insert(0, str(Path(__file__).parents[1]))

from digest.compose import Links, Site, Writer, Written, template_folder
from digest.models import Digest
from tests.compose_days import forty_papers, full_day

ROUNDS = 40
READERS = 10
"""Digests in one round; the median of the rounds is reported."""


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    arguments.add_argument("--json", action="store_true", help="end with one line of JSON")
    as_json = arguments.parse_args().json
    url = "https://digest.example.org"
    writer = Writer(
        [template_folder()], Site("Paper Digest <digest@example.org>", public_url=url), Links(url, ["k" * 32])
    )
    started = process_time()
    writer.write(full_day())
    first = (process_time() - started) * 1000
    results = {}
    for number, digest in ((12, full_day()), (40, forty_papers())):
        ours, plain, size = compare(writer, digest)
        results[number] = (ours, plain)
        print(
            f"{number} papers, {size / 1000:.0f} kB: {ours:.2f} ms; plain EmailMessage {plain:.2f} ms ({ours / plain:.2f})"
        )
    print(f"the first digest, templates compiled and styled: {first:.0f} ms")
    if as_json:
        ratio = max(ours / plain for ours, plain in results.values())
        figures = {"ms_per_digest_12": results[12][0], "ms_per_digest_40": results[40][0], "ratio_to_plain": ratio}
        print(json.dumps({name: round(value, 3) for name, value in figures.items()}))


def compare(writer: Writer, digest: Digest) -> tuple[float, float, int]:
    """Milliseconds per digest for us and for the plain build, and the bytes of one message."""
    readers = _readers(digest)
    written = writer.write(digest)
    ours = _milliseconds(lambda: writer.write(next(readers)))
    plain = _milliseconds(lambda: _plain(digest, written))
    return ours, plain, len(written.message.data)


def _readers(digest: Digest) -> Iterator[Digest]:
    for number in count():
        reader = replace(digest.subscriber, id=number, token=f"reader{number}")
        yield replace(
            digest, subscriber=replace(reader, profile=replace(reader.profile, email=f"r{number}@example.org"))
        )


def _plain(digest: Digest, written: Written) -> bytes:
    message = EmailMessage(policy=SMTP)
    message["Date"] = format_datetime(digest.planned_at)
    message["From"] = "Paper Digest <digest@example.org>"
    message["To"] = digest.subscriber.email
    message["Subject"] = written.subject
    message["Message-ID"] = written.message_id
    message["List-Unsubscribe"] = "<https://digest.example.org/unsubscribe/x>"
    message.set_content(written.text, cte="quoted-printable")
    message.add_alternative(written.html, subtype="html", cte="quoted-printable")
    return message.as_bytes()


def _milliseconds(work: Callable[[], object]) -> float:
    rounds = []
    for _ in range(ROUNDS):
        started = process_time()
        for _ in range(READERS):
            work()
        rounds.append((process_time() - started) * 1000 / READERS)
    return statistics.median(rounds)


if __name__ == "__main__":
    main()
