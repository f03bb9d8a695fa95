"""Which papers suit whom, and why: values in, values out; no clock, no I/O, no database.

    statistics = learn(stored_papers)                       # now and then
    pool = prepare(candidates, statistics, now)             # once a day
    for selection in choose(pool, readers): ...             # in blocks
    explain(pool, reader, paper_id)                         # `digest why`

`text` turns papers into terms, `statistics` knows how rare those are, `views` and `pool` hold the day's papers as
matrices, `profiles` the readers, `scoring` multiplies the two, `trending` looks at the public, `choose` fills the
sections, `explain` says why, `evaluate` measures it all. Where the operator named a model, `model_files` finds it,
`semantic` runs it (`bert` in numpy), `embedding` asks it for what is not kept yet, and `meaning` blends it in.
docs/ranking.md has the method and the measurements.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from digest.models import Pick
from digest.ranking import explain as _explain
from digest.ranking.choose import BLOCK, Turn, Verdict, choices, ranked
from digest.ranking.explain import Explanation, Interest, Part, Term
from digest.ranking.pool import Pool, prepare
from digest.ranking.profiles import Profile, Reader, compile_reader, compile_readers
from digest.ranking.statistics import Statistics, learn
from digest.ranking.vectors import Vectors

__all__ = [
    "Explanation",
    "Interest",
    "Part",
    "Pool",
    "Profile",
    "Reader",
    "Selection",
    "Statistics",
    "Term",
    "Vectors",
    "Verdict",
    "choose",
    "compile_reader",
    "explain",
    "learn",
    "prepare",
    "select",
]


@dataclass(frozen=True, slots=True)
class Selection:
    """What one reader gets today."""

    picks: tuple[Pick, ...]
    """In the order of the mail, section by section; no more than the reader asked for."""
    considered: int
    """From how many papers these were chosen."""
    matched: int
    """How many of them were worth the reader's minute."""


def choose(pool: Pool, readers: Sequence[Reader], profiles: Sequence[Profile] | None = None) -> list[Selection]:
    """The selection of each of *readers*, in their order; each is the same in any company.

    Args:
        pool: the day's papers.
        readers: any number.
        profiles: theirs, where the caller kept them; compiled here otherwise. One that was compiled under other
            statistics than the pool's is compiled again.
    """
    return list(select(pool, readers, profiles))


def select(pool: Pool, readers: Sequence[Reader], profiles: Sequence[Profile] | None = None) -> Iterator[Selection]:
    """As `choose`, one after the other, so that memory does not grow with the number of readers."""
    for start in range(0, len(readers), BLOCK):
        block = readers[start : start + BLOCK]
        compiled = _current(pool, block, profiles[start : start + BLOCK] if profiles is not None else ())
        results = ranked(pool, block, compiled)
        for row, (reader, profile) in enumerate(zip(block, compiled, strict=True)):
            turn = Turn(pool, reader, profile, results, row)
            yield Selection(_explain.picks(turn, choices(turn)), considered=len(pool), matched=results.matched(row))


def explain(pool: Pool, reader: Reader, paper_id: str, profile: Profile | None = None) -> Explanation:
    """Every term of a paper's score for a reader, and why it was or was not picked."""
    return _explain.explain(pool, reader, _current(pool, [reader], [profile] if profile else ())[0], paper_id)


def _current(pool: Pool, readers: Sequence[Reader], profiles: Sequence[Profile]) -> Sequence[Profile]:
    """*profiles* where they were compiled under the pool's statistics; else compiled now."""
    kept = {n: p for n, p in enumerate(profiles) if p.statistics == pool.statistics.id}
    missing = [n for n in range(len(readers)) if n not in kept]
    fresh = compile_readers([readers[n] for n in missing], pool.phrases)
    found = kept | dict(zip(missing, fresh, strict=True))
    return [found[n] for n in range(len(readers))]
