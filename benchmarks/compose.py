"""What a digest costs from picks to bytes, beside a plain `EmailMessage` of the same content in the same run.

    python -m benchmarks.compose [--json]

CPU time of this process. Each round writes the same invented papers for readers who differ (other tokens, links and
addresses), as one issue does whose picks the store hands out as shared objects, and then lets `EmailMessage` make as
many messages from HTML and text that are finished already; the two take turns, so that a busy machine is as unkind to
the one as to the other.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import replace
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from time import process_time

sys.path.insert(0, str(Path(__file__).parents[1]))

from digest.compose import Links, Site, Writer, Written, template_folder
from digest.models import Digest
from tests.compose_days import forty_papers, full_day

URL = "https://digest.example.org"
SITE = Site("Paper Digest <digest@example.org>", public_url=URL)
ROUNDS = 60
READERS = 10
"""Digests in one round; medians of the rounds are reported."""


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("--json", action="store_true", help="end with one line of JSON")
    as_json = arguments.parse_args().json
    writer = Writer([template_folder()], SITE, Links(URL, ["k" * 32]))
    first = milliseconds(writer, [full_day()])
    print(f"the first digest, templates compiled and styled: {first:.0f} ms")
    results = {number: compare(writer, digest) for number, digest in ((12, full_day()), (40, forty_papers()))}
    for number, (ours, plain, size) in results.items():
        print(f"{number} papers, {size / 1000:.0f} kB: {ours:.2f} ms; EmailMessage {plain:.2f} ms: {ours / plain:.2f}")
    if as_json:
        figures = {f"ms_per_digest_{number}": round(ours, 3) for number, (ours, _, _) in results.items()}
        worst = max(ours / plain for ours, plain, _ in results.values())
        print(json.dumps(figures | {"ratio_to_plain": round(worst, 3)}))


def compare(writer: Writer, digest: Digest) -> tuple[float, float, int]:
    """Milliseconds per digest for us and for the plain build, and the bytes of one message."""
    written = writer.write(digest)
    ours, plain = [], []
    for number in range(ROUNDS):
        readers = [reader(digest, number * READERS + i) for i in range(READERS)]
        ours.append(milliseconds(writer, readers))
        started = process_time()
        for each in readers:
            plain_message(each, written)
        plain.append((process_time() - started) * 1000 / READERS)
    return statistics.median(ours), statistics.median(plain), len(written.message.data)


def milliseconds(writer: Writer, digests: Sequence[Digest]) -> float:
    """CPU time for each of *digests*."""
    started = process_time()
    for digest in digests:
        writer.write(digest)
    return (process_time() - started) * 1000 / len(digests)


def reader(digest: Digest, number: int) -> Digest:
    """*digest* for another person with the same interests."""
    person = replace(digest.subscriber, id=number, token=f"reader{number}")
    return replace(digest, subscriber=replace(person, profile=replace(person.profile, email=f"r{number}@example.org")))


def plain_message(digest: Digest, written: Written) -> bytes:
    """What the standard library takes to make a message, with fewer headers than ours."""
    message = EmailMessage(policy=SMTP)
    message["Date"] = format_datetime(digest.planned_at)
    message["From"] = SITE.sender
    message["To"] = digest.subscriber.email
    message["Subject"] = written.subject
    message["Message-ID"] = written.message_id
    message["List-Unsubscribe"] = f"<{URL}/unsubscribe/x>"
    message.set_content(written.text, cte="quoted-printable")
    message.add_alternative(written.html, subtype="html", cte="quoted-printable")
    return message.as_bytes()


if __name__ == "__main__":
    main()
