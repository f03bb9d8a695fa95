"""A digest for a page of ours: what the mail says, every paper in full, and nothing rendered yet."""

from __future__ import annotations

from dataclasses import dataclass, replace

from digest.compose import sentences
from digest.compose.cards import Card, Cards
from digest.compose.frames import section_title
from digest.compose.links import Links, Verb
from digest.compose.words import Words
from digest.models import Digest, Pick, Section


@dataclass(frozen=True, slots=True)
class Part:
    """One section."""

    name: str
    """A value of `models.Section`."""
    title: str
    cards: tuple[Card, ...]
    picks: tuple[Pick, ...]
    """What the cards show, in the same order."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """What templates of pages get of a digest."""

    date: str
    summary: str
    greeting: str
    chosen: str
    failures: tuple[str, ...]
    parts: tuple[Part, ...]


def sheet(digest: Digest, cards: Cards, links: Links, words: Words) -> Sheet:
    """The sheet of *digest*; a reader without a token, such as a passer-by, gets no links of their own."""
    parts = [
        Part(
            section.value,
            section_title(section, words),
            tuple(_card(digest, p, cards, links, words) for p in picks),
            picks,
        )
        for section in Section
        if (picks := tuple(pick for pick in digest.picks if pick.section is section))
    ]
    return Sheet(
        date=words.long_day(digest.issue),
        summary=sentences.summary(digest, words),
        greeting=sentences.greeting(digest, words),
        chosen=sentences.chosen(digest, words),
        failures=tuple(sentences.failures(digest, words)),
        parts=tuple(parts),
    )


def _card(digest: Digest, pick: Pick, cards: Cards, links: Links, words: Words) -> Card:
    terms = frozenset(term for reason in pick.reasons for term in reason.terms)
    token = digest.subscriber.token
    card = cards.card(pick, terms, words)

    def link(verb: Verb, slot: str) -> str:
        return links.feedback(token, digest.issue, pick.paper.id, verb) if token and slot else ""

    return replace(
        card,
        number="",
        reason=sentences.reason(pick.reasons, words),
        more=link(Verb.MORE, card.more),
        less=link(Verb.LESS, card.less),
        save=link(Verb.SAVE, card.save),
        hide=link(Verb.HIDE, card.hide),
    )
