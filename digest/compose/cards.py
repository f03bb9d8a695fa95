"""Cards: what one paper looks like in a mail. Rendered once, filled in for each reader.

What depends on the paper is rendered by the templates and kept; what depends on the reader (the number, the reason,
the links of "more like this") is left open as slots. Readers whose topics match the same words share a card, marks
included.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from markupsafe import escape

from digest.compose import sentences
from digest.compose.links import Verb, feedback_tail
from digest.compose.quoted import EMPTY, Blank, blank, quoted
from digest.compose.render import Templates
from digest.compose.slots import own_slot, slot
from digest.compose.text import few, fit, line, pieces, safe_url, shorten, visible, wrap
from digest.compose.words import NO_BREAK, Words
from digest.errors import SettingsError
from digest.models import Paper, Pick, Reason, Section

KEPT = 4096
"""Cards in memory, about 10 KB each: several days of papers in several languages."""
KNOWN = 8192
"""Picks in memory, about 1 KB each beside their cards, which they share."""
LONGEST_ID = 300
"""Letters; a feed's guid may be longer, but then has no place in a link."""
INDENT = "    "
"""Of a card in the text part, before all but its first line, which has its number there."""


class Form(enum.IntEnum):
    """How much of a paper is shown, most first."""

    FULL = 0
    SHORT = 1
    LINE = 2
    GONE = 3


class Place(NamedTuple):
    """How one paper stands in the mail."""

    section: Section
    form: Form
    links: bool
    """Whether it has further links at the end of the text part."""


_COLUMNS = {Form.FULL: (200, 420), Form.SHORT: (140, 160), Form.LINE: (110, 0)}
"""Columns of title and summary; columns bound bytes, at four bytes or fewer for each."""


@dataclass(frozen=True, slots=True)
class Card:
    """The variable `card` of the templates; `number`, `reason` and the beginning of feedback links are slots there."""

    title: tuple[tuple[str, bool], ...]
    """In pieces, each with whether the reader's words match it; likewise `summary`."""
    plain_title: str
    """The title without marks."""
    url: str
    summary: tuple[tuple[str, bool], ...]
    plain_summary: str
    authors: str
    where: tuple[str, ...]
    """Where it was listed, and when."""
    signals: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    """Label and address."""
    thumbnail: str
    number: str
    """Its place in the mail, "3.", four columns wide; for the text part, whose links are at its end."""
    reason: str
    more: str
    less: str
    save: str
    hide: str
    """Hide an author; empty where none is named."""


class Look(NamedTuple):
    """What decides a card, but for the marks; nothing of the reader is in it, so that many share it."""

    pick: Pick
    """Without reasons, score and section."""
    has_reason: bool
    words: Words
    form: Form


@dataclass(frozen=True, slots=True)
class Said:
    """Why a paper was picked, encoded, and the words to mark."""

    html: bytes
    text: bytes
    terms: frozenset[str]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A card with open slots: `number`, `reason`, and `feedback`, which is the beginning of such links."""

    html: Blank = EMPTY
    text: Blank = EMPTY
    """Lines of at most 72 columns, but for addresses."""
    links: Blank = EMPTY
    """For the end of the text part; empty where there are none, as for a one-liner, which has its one link with it."""


SLOTS = ("number", "reason", "feedback")


@dataclass(frozen=True, slots=True)
class Shown:
    """One pick in one form, for every mail in one language that shows it so."""

    place: Place
    card: Rendered
    said: Said

    def html(self, number: int, feedback: bytes) -> bytes:
        """For one reader.

        Args:
            number: its place in the mail, from 0 on.
            feedback: what the links of "more like this" begin with, encoded.
        """
        return self.card.html.fill({b"number": numeral(number), b"feedback": feedback, b"reason": self.said.html})

    def text(self, number: int, feedback: bytes) -> tuple[bytes, bytes]:
        """The same as text, and its links for the end of it."""
        own = {b"number": numeral(number), b"feedback": feedback, b"reason": self.said.text}
        return self.card.text.fill(own), self.card.links.fill(own)


class Entry:
    """One pick, for every mail in one language that has it."""

    __slots__ = ("_render", "_said", "_shown", "pick")

    def __init__(self, pick: Pick, said: Said, render: Callable[[Form], Rendered]) -> None:
        self.pick = pick
        self._said = said
        self._render = render
        self._shown: dict[Form, Shown] = {}

    def show(self, form: Form) -> Shown:
        """The pick in this form; all of it is empty for a paper that is left out."""
        shown = self._shown.get(form)
        if shown is None:
            card = Rendered() if form is Form.GONE else self._render(form)
            place = Place(self.pick.section, form, bool(card.links.pattern))
            shown = self._shown[form] = Shown(place, card, self._said)
        return shown


class Cards:
    """Writes cards.

    Args:
        web: whether a card may link to our own pages.
        thumbnails: whether HTML cards show a preview image.
    """

    def __init__(self, templates: Templates, *, web: bool, thumbnails: bool) -> None:
        self._templates = templates
        self._web = web
        self._thumbnails = thumbnails
        self._unmarked = lru_cache(KEPT)(self._describe)
        self._unmarked_blank = lru_cache(KEPT)(self._render_unmarked)
        self._rendered = lru_cache(KEPT)(self._render)
        self._said = lru_cache(KEPT)(_said)
        self._entries: defaultdict[Words, dict[int, Entry]] = defaultdict(dict)

    def entries(self, picks: Sequence[Pick], words: Words) -> list[Entry]:
        """*picks*, each to be shown in any form.

        Many readers' picks are one and the same object, and knowing an object again is far cheaper than comparing what
        it says. An entry holds its pick, so that the id stays the pick's own.
        """
        known = self._entries[words]
        if len(known) > KNOWN:
            known = self._entries[words] = {}
        return [known.get(id(pick)) or known.setdefault(id(pick), self._entry(pick, words)) for pick in picks]

    def _entry(self, pick: Pick, words: Words) -> Entry:
        said = self._said(pick.reasons, words)
        shared = _without_reader(pick)
        return Entry(pick, said, lambda form: self._rendered(Look(shared, bool(said.html), words, form), said.terms))

    def _render(self, look: Look, terms: frozenset[str]) -> Rendered:
        card = self._marked(look, terms)
        files = ("line.html", "line.txt") if look.form is Form.LINE else ("card.html", "card.txt", "links.txt")
        return Rendered(*[self._unmarked_blank(file, look) or self._blank(file, card, look.words) for file in files])

    def _render_unmarked(self, file: str, look: Look) -> Blank | None:
        """For readers of any words; None where the template looks at the marks, or is wrong."""
        try:
            return self._blank(file, self._unmarked(look), look.words)
        except SettingsError:
            return None

    def _blank(self, file: str, card: Card, words: Words) -> Blank:
        name = f"mail/digest/{file}"
        return blank(self._templates.render(name, words, {"card": card}).strip("\n"), name, SLOTS)

    def card(self, pick: Pick, terms: frozenset[str], words: Words) -> Card:
        """The variable `card` for one pick in full, with open slots for what depends on the reader."""
        return self._marked(Look(_without_reader(pick), bool(pick.reasons), words, Form.FULL), terms)

    def _marked(self, look: Look, terms: frozenset[str]) -> Card:
        card = self._unmarked(look)
        marks = visible(f"{card.plain_title}\n{card.plain_summary}", terms)
        return replace(card, title=pieces(card.plain_title, marks), summary=pieces(card.plain_summary, marks))

    def _describe(self, look: Look) -> Card:
        """The card before its words are marked; whoever looks at `title` or `summary` is refused."""
        paper, words, columns = look.pick.paper, look.words, _COLUMNS[look.form]
        summary = shorten(paper.tldr or paper.abstract, columns[1])
        return Card(
            title=own_slot("title", filled=True),
            plain_title=fit(line(paper.title), columns[0]) or words.gettext("Untitled"),
            url=safe_url(paper.url) or safe_url(paper.huggingface_url) or safe_url(paper.pdf_url),
            summary=own_slot("summary", filled=bool(summary)),
            plain_summary=summary,
            authors=_byline(paper, words),
            where=_where(look.pick, words),
            signals=tuple(sentences.signals(look.pick.signal, words)),
            links=_links(paper, words),
            thumbnail=safe_url(paper.thumbnail_url) if self._thumbnails and look.form is Form.FULL else "",
            number=slot("number", "card.number"),
            reason=slot("reason", "card.reason") if look.has_reason else "",
            more=self._link(paper, Verb.MORE),
            less=self._link(paper, Verb.LESS),
            save=self._link(paper, Verb.SAVE),
            hide=self._link(paper, Verb.HIDE) if paper.authors else "",
        )

    def _link(self, paper: Paper, verb: Verb) -> str:
        if not self._web or len(paper.id) > LONGEST_ID:
            return ""
        link: str = slot("feedback", f"card.{verb}", feedback_tail(paper.id, verb))
        return link


def _without_reader(pick: Pick) -> Pick:
    return Pick(pick.paper, 0, Section.QUIETER, (), pick.listed_at, pick.sources, pick.signal)


def _said(reasons: tuple[Reason, ...], words: Words) -> Said:
    sentence = sentences.reason(reasons, words)
    terms = frozenset(term for reason in reasons for term in reason.terms)
    return Said(quoted(escape(sentence)), quoted(wrap(sentence, 72, INDENT)), terms)


@lru_cache
def numeral(number: int) -> bytes:
    """What stands in the slot `number`, counted from 0."""
    return quoted(f"{number + 1}.".ljust(len(INDENT)))


def _byline(paper: Paper, words: Words) -> str:
    """Ada Example, Bo Sample and 14 more."""
    shown, rest = few([fit(line(name), 40) for name in paper.authors if line(name)], 3)
    if rest:
        names = ", ".join(shown)
        text = words.ngettext("%(names)s and %(count)s more", "%(names)s and %(count)s more", rest)
        return text % {"names": names, "count": rest}
    return words.both(tuple(shown))


def _where(pick: Pick, words: Words) -> tuple[str, ...]:
    """Hugging Face, arXiv cs.CL, Feb 4."""
    names = [fit(sentences.source_name(source), 40) for source in pick.sources[:4]]
    field = fit(line(pick.paper.categories[0]), 30) if pick.paper.categories else ""
    if field:
        names = [f"{name}{NO_BREAK}{field}" if name == "arXiv" else name for name in names]
    organization = fit(line(pick.paper.organization), 40)
    return tuple(part for part in (organization, *names, words.day(pick.listed_at)) if part)


def _links(paper: Paper, words: Words) -> tuple[tuple[str, str], ...]:
    found = (
        (words.gettext("Abstract"), paper.url),
        (words.gettext("PDF"), paper.pdf_url),
        (words.gettext("Code"), paper.code_url),
        (words.gettext("Project"), paper.project_url),
        (words.gettext("Hugging Face"), paper.huggingface_url),
    )
    return tuple((label, address) for label, url in found if (address := safe_url(url)))
