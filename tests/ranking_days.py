"""Invented days of papers for the tests of the ranking."""

from __future__ import annotations

from collections.abc import Sequence

from digest.models import Candidate
from digest.ranking import Pool, learn, prepare
from tests.make import NOON, a_candidate, a_paper

SUBJECTS = {
    "owls": "Barn owls locate prey at night by sound; the owl turns its facial disc towards a rustling mouse.",
    "bridges": "Steel bridges carry heavy lorries; we measure fatigue cracks in the girders of a suspension bridge.",
    "bread": "Sourdough bread rises with wild yeast; longer fermentation gives a sour crumb and a crisp crust.",
    "tides": "Ocean tides follow the moon; we predict the tidal range of a narrow estuary from its depth.",
}
DETAILS = ["field", "winter", "harbour", "copper", "violin", "garden", "planet", "letter", "window", "river"]


def day(upvotes: int | None = None, each: int = 10) -> list[Candidate]:
    """A day's papers, *each* of every subject, each with a detail of its own."""
    return [
        a_candidate(
            a_paper(title=f"On {name} and the {DETAILS[n % 10]}", abstract=f"{text} {' '.join(DETAILS[: n + 1])} {n}."),
            upvotes=upvotes,
        )
        for name, text in SUBJECTS.items()
        for n in range(each)
    ]


def pool(candidates: Sequence[Candidate]) -> Pool:
    """*candidates*, with the word statistics of themselves."""
    return prepare(candidates, learn(c.paper for c in candidates), NOON)
