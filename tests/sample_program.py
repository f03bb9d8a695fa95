"""The program with the built-in sample: its roster, and its day after two days on which upvotes were read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

from digest.sample.upstream import serve
from tests.program import Program

DAY = date(2026, 2, 4)
NOON = f"{DAY}T12:00Z"
ROSTER = Path(__file__).parents[1] / "subscribers.yaml"


@contextmanager
def sample_program(home: Path) -> Iterator[Program]:
    """At noon of the sample day, with its upstreams there and nothing sent yet of that day."""
    program = Program(home)
    program.roster(ROSTER.read_text(encoding="utf-8"))
    program.set(sender="Paper Digest <digest@example.org>", public_url="https://digest.example.org")
    program.set(secret_key="k" * 32, postal_address="Example Lab, 1 Sample Road")
    for back in (2, 1, 0):  # so that it is known how fast upvotes grew
        asked = DAY - timedelta(days=back)
        with serve(DAY, asked=asked) as base:
            program.set(huggingface_url=base, arxiv_feed_url=base, arxiv_api_url=base)
            if asked < DAY:
                program.run(f"{asked}T01:00Z")
            else:
                yield program
