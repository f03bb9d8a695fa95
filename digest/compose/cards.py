"""Cards: what one paper looks like in a mail. Rendered once, filled in for each reader.

What depends on the paper is rendered by the templates and kept; what depends on the reader (the reason, the links of
"more like this") is left open as slots, and filling those is a join of strings. Readers whose topics match the same
words share a card, marks included.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

from markupsafe import Markup, escape

from digest.compose import sentences
from digest.compose.links import Links, Verb
from digest.compose.quoted import Quoted, quoted
from digest.compose.render import Templates
from digest.compose.text import few, fit, line, pieces, safe_url, shorten, visible, wrap
from digest.compose.words import NO_BREAK, Words
from digest.models import Digest, Paper, Pick, Reason, Section

KEPT = 2048
"""Cards in memory, about 8 KB each: several days of papers in several languages."""
LONGEST_ID = 300
"""Letters; a feed's guid may be longer, but then has no place in a link."""
INDENT = "    "
"""Of a card in the text part, before all but its first line, which has its number there."""
_SLOT = "\ufdd0"  # a noncharacter, which clean text never holds


class Form(enum.IntEnum):
    """How much of a paper is shown, most first."""

    FULL = 0
    SHORT = 1
    LINE = 2
    GONE = 3


_COLUMNS = {Form.FULL: (200, 420), Form.SHORT: (140, 160), Form.LINE: (110, 0)}
"""Columns of title and summary; columns bound bytes, at four bytes or fewer for each."""


@dataclass(frozen=True, slots=True)
class Card:
    """The variable `card` of the templates; `number`, `reason` and the four links of feedback hold slots there."""

    title: tuple[tuple[str, bool], ...]
    """In pieces, each with whether the reader's words match it; likewise `summary`."""
    url: str
    summary: tuple[tuple[str, bool], ...]
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

    @property
    def plain_title(self) -> str:
        """The title without marks."""
        return "".join(piece for piece, _ in self.title)

    @property
    def plain_summary(self) -> str:
        """The summary without marks."""
        return "".join(piece for piece, _ in self.summary)


@dataclass(frozen=True, slots=True)
class Rendered:
    """A card with open slots: stretches of text, and between them the names of slots."""

    html: tuple[Quoted | str, ...]
    text: tuple[Quoted | str, ...]
    links: tuple[Quoted | str, ...]
    """For the end of the text part; empty where there are none."""


@dataclass(frozen=True, slots=True)
class Said:
    """Why a paper was picked, ready to be filled in, and the words to mark."""

    html: Quoted
    text: Quoted
    terms: frozenset[str]


class Slots(dict[str, Quoted]):
    """What goes into the slots of one pick for one reader; a link is signed when a card first shows it."""

    def __init__(self, sign: Callable[[Verb], str], number: int) -> None:
        super().__init__(number=_place(number))
        self._sign = sign

    def __missing__(self, name: str) -> Quoted:
        self[name] = quoted(self._sign(Verb(name)))
        return self[name]


@dataclass(frozen=True, slots=True)
class Entry:
    """One pick in one reader's mail."""

    rendered: Callable[[Form], Rendered]
    reason: Said
    slots: Slots

    def html(self, form: Form) -> list[Quoted]:
        """Empty for a paper that is left out, and so is `text`."""
        return [] if form is Form.GONE else _fill(self.rendered(form).html, self.slots, self.reason.html)

    def text(self, form: Form) -> list[Quoted]:
        """Lines of at most 72 columns, but for addresses."""
        return [] if form is Form.GONE else _fill(self.rendered(form).text, self.slots, self.reason.text)

    def links(self, form: Form) -> list[Quoted]:
        """For the end of the text part; empty also for a one-liner, which has its one link with it."""
        return [] if form >= Form.LINE else _fill(self.rendered(form).links, self.slots, self.reason.text)


class Cards:
    """Writes cards.

    Args:
        web: whether a card may link to our own pages.
        thumbnails: whether HTML cards show a preview image.
    """

    def __init__(self, templates: Templates, links: Links, *, web: bool, thumbnails: bool) -> None:
        self._templates = templates
        self._links = links
        self._web = web
        self._thumbnails = thumbnails
        self._rendered = lru_cache(KEPT)(self._render)
        self._reasons = lru_cache(KEPT)(_said)

    def entry(self, digest: Digest, number: int, words: Words) -> Entry:
        """The pick with that *number* in the digest, from 0, to be written in any form."""
        pick = digest.picks[number]
        reason = self._reasons(pick.reasons, words)
        sign = partial(self._links.feedback, digest.subscriber.token, digest.issue, pick.paper.id)
        # nothing of the reader may enter the key but the words to mark
        shared = Pick(pick.paper, 0, Section.QUIETER, (), pick.listed_at, pick.sources, pick.signal)

        def rendered(form: Form) -> Rendered:
            return self._rendered(shared, reason.terms, bool(reason.html.text), form, words)

        return Entry(rendered, reason, Slots(sign, number + 1))

    def _votes(self, paper: Paper) -> bool:
        return self._web and len(paper.id) <= LONGEST_ID

    def _render(self, pick: Pick, terms: frozenset[str], has_reason: bool, form: Form, words: Words) -> Rendered:
        card = self.card(pick, terms, has_reason, form, words)
        name = "line" if form is Form.LINE else "card"
        return Rendered(*(self._piece(file, card, words) for file in (f"{name}.html", f"{name}.txt", "links.txt")))

    def _piece(self, file: str, card: Card, words: Words) -> tuple[Quoted | str, ...]:
        return split(self._templates.render(f"mail/digest/{file}", words, {"card": card}).strip("\n"))

    def card(self, pick: Pick, terms: frozenset[str], has_reason: bool, form: Form, words: Words) -> Card:
        """The variable `card` for one pick, with open slots for what depends on the reader."""
        paper = pick.paper
        columns = _COLUMNS[form]
        title = fit(line(paper.title), columns[0]) or words.gettext("Untitled")
        summary = shorten(paper.tldr or paper.abstract, columns[1])
        marks = visible(f"{title}\n{summary}", terms)
        return Card(
            title=pieces(title, marks),
            url=safe_url(paper.url) or safe_url(paper.huggingface_url) or safe_url(paper.pdf_url),
            summary=pieces(summary, marks),
            authors=_byline(paper, words),
            where=_where(pick, words),
            signals=tuple(sentences.signals(pick.signal, words)),
            links=_links(paper, words),
            thumbnail=safe_url(paper.thumbnail_url) if self._thumbnails and form is Form.FULL else "",
            number=slot("number"),
            reason=slot("reason") if has_reason else "",
            more=slot("more") if self._votes(paper) else "",
            less=slot("less") if self._votes(paper) else "",
            save=slot("save") if self._votes(paper) else "",
            hide=slot("hide") if self._votes(paper) and paper.authors else "",
        )


def _said(reasons: tuple[Reason, ...], words: Words) -> Said:
    sentence = sentences.reason(reasons, words)
    terms = frozenset(term for reason in reasons for term in reason.terms)
    return Said(quoted(escape(sentence)), quoted(wrap(sentence, 72, INDENT)), terms)


@lru_cache
def _place(number: int) -> Quoted:
    return quoted(f"{number}.".ljust(len(INDENT)))


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


def slot(name: str) -> Markup:
    """What stands in rendered text for something that is filled in later."""
    return Markup(f"{_SLOT}{name}{_SLOT}")  # noqa: S704 - ours


def split(rendered: str) -> tuple[Quoted | str, ...]:
    """Rendered text as stretches, with the names of slots between them."""
    parts = re.split(f"{_SLOT}([a-z0-9]+){_SLOT}", rendered)
    return tuple(part if i % 2 else quoted(part) for i, part in enumerate(parts) if part)


def _fill(rendered: tuple[Quoted | str, ...], slots: Slots, reason: Quoted) -> list[Quoted]:
    return [part if isinstance(part, Quoted) else reason if part == "reason" else slots[part] for part in rendered]
