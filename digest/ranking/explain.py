"""Why a paper was picked, or was not: the terms of its score, and the words that did the work.

A facet is linear in the words of the paper, so what a word adds is exact (for the latent view: up to the paper's own
length, which all its words share). Words are shown as the paper writes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from digest.models import Candidate, Pick, Reason, ReasonKind, Section
from digest.ranking.choose import Choice, Ranked, Turn, Verdict, choices, ranked
from digest.ranking.facets import Facet
from digest.ranking.names import find
from digest.ranking.pool import Pool, Wording
from digest.ranking.profiles import Profile, Reader
from digest.ranking.scoring import (
    AUTHOR,
    CATEGORY,
    DISLIKE,
    FLOOR,
    HEAT,
    RELEVANCE,
    STALE,
    STALENESS,
    facet_values,
    floors,
)
from digest.ranking.text import Floats, Ids

SHOWN = 6
"""Words of a reason at most."""
TOLD = 12
"""Words of an interest that are told one by one in an explanation ..."""
LITTLE = 0.005
"""... unless they add and take less than this, which prints as 0."""
COMMON = 0.1
"""A word that more than so many of the papers have explains nothing, unless the reader typed it."""
OTHERS, ORDINARY, MEANING = "(its other words)", "(less what is ordinary)", "(likeness in meaning)"
"""Stand among the words of an explanation: for the sum of those that are not told, for what makes an ordinary paper 0,
and for what the embedding added to, or took from, the words' value."""
PICKS = 20_000
"""Picks remembered, about 1 KB each."""
LEAST = 0.05
"""A reason that adds less than this share of the score is left unsaid."""


@dataclass(frozen=True, slots=True)
class Term:
    """A word or two of the paper, as written, and what it adds to a facet."""

    text: str
    value: float


@dataclass(frozen=True, slots=True)
class Interest:
    """How one interest judged the paper."""

    kind: ReasonKind
    subject: str
    value: float
    """In spreads of ordinary papers: 0 is ordinary, 2 a match, 3 a strong one."""
    weight: float
    terms: tuple[Term, ...]
    """The words that add or take most, and the rest in sum: together they are `value`."""


@dataclass(frozen=True, slots=True)
class Part:
    """One summand of the total."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything about one paper and one reader."""

    paper_id: str
    verdict: Verdict
    detail: str = ""
    """The muted word, the author, the issue it was in, or the paper that it resembles."""
    section: Section | None = None
    rank: int = 0
    """Among the papers that are worth a minute, by total; 0 where it is none."""
    relevance: float = 0.0
    floor: float = FLOOR
    total: float = 0.0
    parts: tuple[Part, ...] = ()
    """They add up to `total`."""
    interests: tuple[Interest, ...] = ()
    """Every interest, the best first."""
    reasons: tuple[Reason, ...] = ()


def picks(turn: Turn, chosen: Sequence[Choice]) -> tuple[Pick, ...]:
    """The picks for what was *chosen*, with their reasons; equal ones of several readers are one object.

    Score and winning facet say all that the reasons speak of, but for what is this reader's own: their list of authors
    and categories, the papers they liked and those they had.
    """
    scores, row, numbers = turn.block.scores, turn.row, [choice.number for choice in chosen]
    totals = scores.total[row, numbers].astype(float).round(4).tolist()
    own = (scores.author[row, numbers] | (scores.category[row, numbers] > 0)).tolist()
    return tuple(
        _own(turn, choice, score)
        if is_own or _is_own(turn, choice.number, facet)
        else _shared(turn, choice, score, facet)
        for choice, score, is_own, facet in zip(chosen, totals, own, _winners(turn, numbers), strict=True)
    )


def _shared(turn: Turn, choice: Choice, score: float, facet: Facet | None) -> Pick:
    known, key = turn.pool.picks, (choice.number, choice.section, score, id(facet))
    if key not in known:
        if len(known) >= PICKS:
            known.clear()
        known[key] = facet, _own(turn, choice, score)
    return known[key][1]


def _own(turn: Turn, choice: Choice, score: float) -> Pick:
    candidate = turn.pool.candidates[choice.number]
    return Pick(
        paper=candidate.paper,
        score=score,
        section=choice.section,
        reasons=reasons(turn, choice.number, choice.section),
        listed_at=candidate.listed_at,
        sources=candidate.sources,
        signal=candidate.signal,
    )


def _is_own(turn: Turn, number: int, facet: Facet | None) -> bool:
    """Whether *facet* speaks of the reader's liked papers, or the paper was sent to them before."""
    return bool(facet and facet.likes.size) or turn.pool.candidates[number].paper.id in turn.reader.seen


def _winners(turn: Turn, numbers: list[int]) -> list[Facet | None]:
    """The interest that each paper counts by; None where it suits none."""
    scores, row, facets = turn.block.scores, turn.row, turn.profile.facets
    suits = (scores.relevance[row, numbers] > 0).tolist()
    best = scores.winner[row, numbers].tolist()
    return [facets[b] if s and b >= 0 else None for s, b in zip(suits, best, strict=True)]


def reasons(turn: Turn, number: int, section: Section) -> tuple[Reason, ...]:
    """What raised the score, strongest first; each value is the share of all that raised it."""
    pool, reader, scores, row = turn.pool, turn.reader, turn.block.scores, turn.row
    found: list[tuple[float, Reason]] = []
    if section is not Section.TRENDING and (facet := _winners(turn, [number])[0]):
        weighted = RELEVANCE * float(scores.weighted[row, number])
        found += [(weighted * r.value, r) for r in _interest_reasons(turn, facet, number)]
    if scores.author[row, number]:
        found.append((AUTHOR, Reason(ReasonKind.AUTHOR, _followed(pool, reader, number))))
    if scores.category[row, number] > 0:
        category = _category(pool.candidates[number], reader)
        found.append((CATEGORY * float(scores.category[row, number]), Reason(ReasonKind.CATEGORY, category)))
    heat = max(HEAT * float(pool.trend.heat[number]), 1e-3 if section is Section.TRENDING else 0.0)
    if pool.trend.known[number] and heat > 0:
        found.append((heat, _public(pool, number)))
    whole = sum(value for value, _ in found) or 1.0
    found.sort(key=lambda f: -f[0])
    told = [replace(reason, value=round(value / whole, 4)) for value, reason in found if value >= LEAST * whole]
    day = reader.seen.get(pool.candidates[number].paper.id)
    return (Reason(ReasonKind.SEEN, day=day, value=1.0), *told) if day else tuple(told)


def _interest_reasons(turn: Turn, facet: Facet, number: int) -> list[Reason]:
    """The phrase, the liked papers, or both, each with its share of the facet's value."""
    pool = turn.pool
    if facet.likes.size == 0 and (matched := typed(pool, facet, number)):
        return [Reason(ReasonKind.TOPIC, facet.subject, _texts(matched), value=1.0)]
    words, library, latent = contributions(pool, facet, number)
    phrase, rest = max(float(words.sum() + latent[0].sum()), 0.0), max(float(library.sum() + latent[1].sum()), 0.0)
    share = phrase / max(phrase + rest, 1e-9) if facet.likes.size else 1.0
    found = []
    if facet.kind is ReasonKind.TOPIC:
        terms = typed(pool, facet, number) or surface(pool, number, latent[0])
        found.append(Reason(ReasonKind.TOPIC, facet.subject, _texts(terms), value=share))
    if facet.likes.size:
        terms = surface(pool, number, library + latent[1])
        title = _nearest(turn, facet, number)
        found.append(Reason(ReasonKind.LIKED, title, _texts(terms), value=1 - share if found else 1.0))
    return found


def contributions(pool: Pool, facet: Facet, number: int) -> tuple[Floats, Floats, tuple[Floats, Floats]]:
    """What each term of the paper adds to the facet: of the phrase, of the liked papers, and latently of both.

    In the order of `Pool.terms`; together with the facet's offset they add up to its value, but for a constant of the
    latent view's centre.
    """
    views, row = pool.views, slice(pool.views.tfidf.indptr[number], pool.views.tfidf.indptr[number + 1])
    columns = views.tfidf.indices[row]
    ids, weights = views.ids[columns], views.tfidf.data[row]
    words = views.bm25.data[row] * _weights(facet.bm25_ids, facet.bm25, ids)
    library = weights * (_weights(facet.ids, facet.tfidf, ids) - facet.mean * pool.statistics.mean_of(ids))
    if not (facet.latent.size and pool.statistics.dimensions):
        return words, library, (0 * words, 0 * words)
    phrase = facet.typed_latent if facet.typed_latent.size else 0 * facet.latent
    latent = pool.statistics.latent_terms(ids, weights, np.stack([phrase, facet.latent - phrase], axis=1))
    return words, library, (latent[:, 0], latent[:, 1])


def _weights(keys: Ids, values: Floats, wanted: Ids) -> Floats:
    place = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
    return np.where(keys[place] == wanted, values[place], 0) if len(keys) else np.zeros(len(wanted), np.float32)


def typed(pool: Pool, facet: Facet, number: int) -> list[Term]:
    """The words that the reader typed, as the paper writes them, even common ones; those that add most first."""
    paper = pool.worded(number)
    asked = [(id_, adds) for id_, adds in zip(facet.bm25_ids.tolist(), facet.bm25.tolist(), strict=True) if adds > 0]
    return _strongest((paper[id_][0] * adds, w) for id_, adds in asked if id_ in paper for w in paper[id_][1])


def surface(pool: Pool, number: int, values: Floats, *, common: bool = False) -> list[Term]:
    """The terms that add most, as the paper writes them; a pair takes the place of its words.

    Args:
        pool: the day's papers.
        number: of the candidate.
        values: what each of the paper's terms adds.
        common: whether even a common word may be shown.
    """
    ids, keep = pool.terms(number), values > 0
    if not common:
        keep &= pool.statistics.document_frequency(ids) <= COMMON * max(pool.statistics.papers, 10)
    paper = pool.worded(number)
    worth = zip(ids[keep].tolist(), values[keep].tolist(), strict=True)
    return _strongest((value, w) for id_, value in worth for w in paper[id_][1] if common or len(w.text) > 2)


def _strongest(found: Iterable[tuple[float, Wording]]) -> list[Term]:
    return _longest(sorted(found, key=lambda f: (-f[0], f[1].text))[: 3 * SHOWN])


def _longest(found: Sequence[tuple[float, Wording]]) -> list[Term]:
    """The strongest, but a pair instead of its words where it is not much weaker than they are."""
    kept: list[tuple[float, Wording]] = []
    for value, wording in found:
        parts = [k for k in kept if k[1].words < wording.words]
        if parts and value * 4 > parts[0][0]:
            kept[kept.index(parts[0])] = parts[0][0], wording
            kept = [k for k in kept if k not in parts[1:]]
        elif not parts and not any(wording.words < k.words for _, k in kept):
            kept.append((value, wording))
    return [Term(wording.text, value) for value, wording in kept[:SHOWN]]


def _texts(terms: Iterable[Term]) -> tuple[str, ...]:
    return tuple(term.text for term in terms)


def _nearest(turn: Turn, facet: Facet, number: int) -> str:
    """The title of the liked paper that speaks of this interest and resembles the candidate most."""
    liked, candidate = turn.library, turn.pool.views
    row = slice(candidate.tfidf.indptr[number], candidate.tfidf.indptr[number + 1])
    ids = candidate.ids[candidate.tfidf.indices[row]]
    alike = liked.tfidf @ liked.spread_out(ids, candidate.tfidf.data[row]) + liked.latent @ candidate.latent[number]
    return turn.reader.liked[int((alike * facet.likes).argmax())].title


def _followed(pool: Pool, reader: Reader, number: int) -> str:
    return next(a for a in reader.interests.authors if number in find(a, pool.authors))


def _category(candidate: Candidate, reader: Reader) -> str:
    return next(c for c in candidate.paper.categories if c in reader.interests.categories)


def _public(pool: Pool, number: int) -> Reason:
    signal = pool.candidates[number].signal
    kind = ReasonKind.RISING if pool.trend.rising[number] else ReasonKind.TRENDING
    return Reason(
        kind, upvotes=signal.upvotes if signal else 0, percentile=round(float(pool.trend.percentile[number]), 1)
    )


def explain(pool: Pool, reader: Reader, profile: Profile, paper_id: str) -> Explanation:
    """Every term of the paper's score for the reader, and what became of it."""
    number = pool.index.get(paper_id)
    if number is None:
        day = reader.seen.get(paper_id)
        return Explanation(paper_id, Verdict.SEEN if day else Verdict.UNKNOWN, day.isoformat() if day else "")
    block = ranked(pool, [reader], [profile])
    turn = Turn(pool, reader, profile, block, 0)
    chosen = {c.number: c.section for c in choices(turn)}
    verdict, detail = _verdict(pool, reader, block, number, chosen.keys())
    total = block.scores.total[0]
    better = block.eligible[0] & (total > total[number])
    section = chosen.get(number)
    return Explanation(
        paper_id,
        verdict,
        detail,
        section=section,
        rank=int(better.sum()) + 1 if block.eligible[0, number] else 0,
        relevance=float(block.scores.relevance[0, number]),
        floor=float(floors(block.scores.age)[0, number]),
        total=float(total[number]),
        parts=_parts(pool, block, number),
        interests=_interests(pool, reader, profile, number),
        reasons=reasons(turn, number, section or Section.FOR_YOU),
    )


def _verdict(pool: Pool, reader: Reader, block: Ranked, number: int, chosen: Iterable[int]) -> tuple[Verdict, str]:
    if number in chosen:
        return Verdict.PICKED, ""
    if ruled_out := _ruled_out(pool, reader, number):
        return ruled_out
    if not block.eligible[0, number]:
        return Verdict.BELOW_FLOOR, ""
    alike = max(chosen, key=lambda n: pool.similarity[number, n], default=None)
    twin = alike is not None and pool.similarity[number, alike] > 0.5
    return Verdict.OUTRANKED, pool.candidates[alike].paper.title if twin and alike is not None else ""


def _ruled_out(pool: Pool, reader: Reader, number: int) -> tuple[Verdict, str] | None:
    """Which of the rules of `choose.apply_rules` struck the paper out."""
    paper = pool.candidates[number].paper
    for phrase in reader.interests.muted:
        if pool.has_muted(phrase)[number]:
            return Verdict.MUTED, phrase
    for author in reader.interests.muted_authors:
        if number in find(author, pool.authors):
            return Verdict.MUTED_AUTHOR, author
    if paper.id in {named.id for named in (*reader.liked, *reader.disliked)}:
        return Verdict.KNOWN, ""
    return (Verdict.SEEN, reader.seen[paper.id].isoformat()) if paper.id in reader.seen else None


def _parts(pool: Pool, block: Ranked, number: int) -> tuple[Part, ...]:
    scores = block.scores
    parts = (
        Part("relevance", RELEVANCE * float(scores.weighted[0, number])),
        Part("trending", HEAT * float(pool.trend.heat[number])),
        Part("author", AUTHOR * float(scores.author[0, number])),
        Part("category", CATEGORY * float(scores.category[0, number])),
        Part("age", -STALENESS * min(float(scores.age[0, number]), STALE)),
        Part("disliked", -DISLIKE * float(scores.against[0, number])),
    )
    return tuple(part for part in parts if abs(part.value) > 1e-9)


def _interests(pool: Pool, reader: Reader, profile: Profile, number: int) -> tuple[Interest, ...]:
    words = facet_values(pool, profile.facets)
    values = (
        pool.meanings.blend(words, profile.facets, [reader] * len(words)) if pool.meanings and len(words) else words
    )
    found = []
    for facet, value, worded in zip(profile.facets, values[:, number], words[:, number], strict=True):
        terms = _told(pool, facet, number, float(worded))
        if value != worded:
            terms.append(Term(MEANING, float(value - worded)))
        found.append(Interest(facet.kind, facet.subject, float(value), facet.weight, tuple(terms)))
    return tuple(sorted(found, key=lambda i: -i.value))


def _told(pool: Pool, facet: Facet, number: int, value: float) -> list[Term]:
    """What makes up *value*: the words that add or take most, then the other words, then what is ordinary."""
    words, library, latent = contributions(pool, facet, number)
    added = (words + library + latent[0] + latent[1]).tolist()
    written = pool.worded(number)
    named = [
        Term(w[0].text, adds)
        for i, adds in zip(pool.terms(number).tolist(), added, strict=True)
        if (w := written[i][1])
    ]
    told = sorted((t for t in named if abs(t.value) >= LITTLE), key=lambda t: (-abs(t.value), t.text))[:TOLD]
    others = sum(added) - sum(t.value for t in told)
    rest = Term(OTHERS, others), Term(ORDINARY, value - sum(added))
    return [*told, *(t for t in rest if abs(t.value) >= LITTLE)]
