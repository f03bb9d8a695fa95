"""What readers say of papers, and what that changes, in words."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from digest.models import Interests, Paper, Pick, Profile, ReasonKind, Subscriber
from digest.subscription.desk import Desk


class Word(enum.StrEnum):
    """What may be said of one paper."""

    MORE = "more"
    LESS = "less"
    NONE = "none"
    """Take back "more" or "less"."""
    SAVE = "save"
    UNSAVE = "unsave"


@dataclass(frozen=True, slots=True)
class Shown:
    """One paper of one reader's issue, on the page where they say something of it."""

    person: Subscriber
    paper: Paper
    about: tuple[str, ...]
    """What the paper was picked for, and what it is about: the words that "more" raises and "less" lowers."""
    opinion: str
    """more, less, or empty."""
    saved: bool
    hidden: frozenset[str]
    """Those of its authors whose papers are not shown."""


def look(desk: Desk, token: str, issue: date | None, paper_id: str) -> Shown | None:
    """What a feedback link is about; None when the reader or the paper is gone."""
    store = desk.parts.store
    person = store.subscribers.by_token(token)
    found = store.papers.by_id([paper_id])
    if person is None or paper_id not in found:
        return None
    opinion = next((said.verb for said in store.shelf.opinions(person.id) if said.paper.id == paper_id), "")
    saved = any(said.paper.id == paper_id for said in store.shelf.saved(person.id))
    paper = found[paper_id]
    hidden = {name.casefold() for name in person.interests.muted_authors}
    return Shown(
        person,
        paper,
        _about(paper, _pick(desk, person, issue, paper_id)),
        opinion,
        saved,
        frozenset(name for name in paper.authors if name.casefold() in hidden),
    )


def say(desk: Desk, token: str, paper_id: str, word: Word) -> bool:
    """Record it; saying the same twice changes nothing. False when the reader or the paper is gone."""
    shown = look(desk, token, None, paper_id)
    if shown is None:
        return False
    as_it_is = {
        Word.MORE: shown.opinion == "more",
        Word.LESS: shown.opinion == "less",
        Word.NONE: not shown.opinion,
        Word.SAVE: shown.saved,
        Word.UNSAVE: not shown.saved,
    }
    if not as_it_is[word]:
        desk.parts.store.feedback.add(shown.person.id, paper_id, word.value, desk.now)
    return True


def hide_author(desk: Desk, token: str, paper_id: str, author: str, *, hidden: bool) -> bool:
    """Never pick papers by one of this paper's authors, or pick them again; False for anybody else's name."""
    shown = look(desk, token, None, paper_id)
    if shown is None or author not in shown.paper.authors:
        return False

    def changed(profile: Profile) -> Profile:
        others = tuple(a for a in profile.interests.muted_authors if a.casefold() != author.casefold())
        return _with(profile, replace(profile.interests, muted_authors=(*others, author) if hidden else others))

    if hidden != (author in shown.hidden):
        desk.parts.store.readers.edit(token, changed, desk.now)
    return True


def _with(profile: Profile, interests: Interests) -> Profile:
    return replace(profile, interests=interests)


def _pick(desk: Desk, person: Subscriber, issue: date | None, paper_id: str) -> Pick | None:
    found = desk.parts.store.deliveries.find(person.id, issue) if issue else None
    picks: Sequence[Pick] = found[1].picks if found and found[1] else ()
    return next((pick for pick in picks if pick.paper.id == paper_id), None)


def _about(paper: Paper, pick: Pick | None) -> tuple[str, ...]:
    reasons = pick.reasons if pick else ()
    topics = [r.subject for r in reasons if r.kind in {ReasonKind.TOPIC, ReasonKind.CATEGORY} and r.subject]
    terms = [term for r in reasons for term in r.terms]
    words = [*topics, *terms, *paper.keywords]
    return tuple({word.casefold(): word for word in words}.values())[:5]
