"""Cards: what one paper looks like in a mail. Rendered once, filled in for each reader.

What depends on the paper is rendered by the templates and kept; what depends on the reader (the reason, the links of
"more like this") is left open as slots, and filling those is a join of strings. Readers whose topics match the same
words share a card, marks included.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import groupby

from markupsafe import Markup, escape

from digest.compose import sentences
from digest.compose.links import Links, Verb, feedback_tail
from digest.compose.quoted import Quoted, join, quoted
from digest.compose.render import Templates
from digest.compose.text import few, fit, line, pieces, safe_url, shorten, visible, wrap
from digest.compose.words import NO_BREAK, Words
from digest.models import Digest, Paper, Pick, Reason, Section

KEPT = 4096
"""Cards in memory, about 10 KB each: several days of papers in several languages. Twice, once with their reasons."""
LONGEST_ID = 300
"""Letters; a feed's guid may be longer, but then has no place in a link."""
INDENT = "    "
"""Of a card in the text part, before all but its first line, which has its number there."""
_SLOT = "\ufdd0"  # a noncharacter, which clean text never holds
NOTHING = Quoted("", b"", 0)


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
    """The variable `card` of the templates; `number`, `reason` and the beginning of feedback links are slots there."""

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


Stretches = tuple[Quoted | str, ...]
"""Encoded text, and between it the names of slots."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A card with open slots."""

    html: Stretches = ()
    text: Stretches = ()
    links: Stretches = ()
    """For the end of the text part; empty where there are none, as for a one-liner, which has its one link with it."""


@dataclass(frozen=True, slots=True)
class Said:
    """Why a paper was picked, ready to be filled in, and the words to mark."""

    html: Quoted
    text: Quoted
    terms: frozenset[str]


class Entry:
    """One pick in one reader's mail."""

    def __init__(self, rendered: Callable[[Form], Rendered], slots: Mapping[str, Quoted]) -> None:
        self._render = rendered
        self._slots = slots
        self._rendered: dict[Form, Rendered] = {Form.GONE: Rendered()}

    def html(self, form: Form) -> list[Quoted]:
        """Empty for a paper that is left out, and so are the others."""
        return self._fill(self._card(form).html)

    def text(self, form: Form) -> list[Quoted]:
        """Lines of at most 72 columns, but for addresses."""
        return self._fill(self._card(form).text)

    def links(self, form: Form) -> list[Quoted]:
        """For the end of the text part."""
        return self._fill(self._card(form).links)

    def _card(self, form: Form) -> Rendered:
        if form not in self._rendered:
            self._rendered[form] = self._render(form)
        return self._rendered[form]

    def _fill(self, stretches: Stretches) -> list[Quoted]:
        slots = self._slots
        return [slots[part] if isinstance(part, str) else part for part in stretches]


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
        self._explained = lru_cache(KEPT)(self._explain)

    def entries(self, digest: Digest, words: Words) -> list[Entry]:
        """The picks of *digest* in order, each to be written in any form."""
        base = quoted(self._links.feedback_base(digest.subscriber.token, digest.issue)) if self._web else NOTHING
        return [self._entry(number, pick, base, words) for number, pick in enumerate(digest.picks, 1)]

    def _entry(self, number: int, pick: Pick, base: Quoted, words: Words) -> Entry:
        # nothing of the reader may enter the key but the reasons
        shared = Pick(pick.paper, 0, Section.QUIETER, pick.reasons, pick.listed_at, pick.sources, pick.signal)
        return Entry(partial(self._explained, shared, words), {"number": _place(number), "feedback": base})

    def _explain(self, pick: Pick, words: Words, form: Form) -> Rendered:
        """The card with its reason: readers who typed the same words share it whole."""
        said = self._reasons(pick.reasons, words)
        card = self._rendered(replace(pick, reasons=()), said.terms, bool(said.html.text), form, words)
        return Rendered(
            _with(card.html, "reason", said.html),
            _with(card.text, "reason", said.text),
            _with(card.links, "reason", said.text),
        )

    def _votes(self, paper: Paper) -> bool:
        return self._web and len(paper.id) <= LONGEST_ID

    def _render(self, pick: Pick, terms: frozenset[str], has_reason: bool, form: Form, words: Words) -> Rendered:
        """What only the paper and the marked words decide: the templates are asked once for most readers."""
        card = self.card(pick, terms, has_reason, form, words)
        if form is Form.LINE:
            return Rendered(self._piece("line.html", card, words), self._piece("line.txt", card, words))
        return Rendered(*(self._piece(file, card, words) for file in ("card.html", "card.txt", "links.txt")))

    def _piece(self, file: str, card: Card, words: Words) -> Stretches:
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
            more=self._link(paper, Verb.MORE),
            less=self._link(paper, Verb.LESS),
            save=self._link(paper, Verb.SAVE),
            hide=self._link(paper, Verb.HIDE) if paper.authors else "",
        )

    def _link(self, paper: Paper, verb: Verb) -> str:
        return slot("feedback") + feedback_tail(paper.id, verb) if self._votes(paper) else ""


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


def split(rendered: str) -> Stretches:
    """Rendered text as stretches, with the names of slots between them."""
    parts = rendered.split(_SLOT)
    return tuple([part if i % 2 else quoted(part) for i, part in enumerate(parts) if part])


def _with(stretches: Stretches, name: str, content: Quoted) -> Stretches:
    """*stretches* with one slot filled, and the neighbours that this makes joined."""
    filled = [content if part == name else part for part in stretches]
    groups = [[*group] for _, group in groupby(filled, key=lambda part: isinstance(part, str))]
    found: list[Quoted | str] = []
    for group in groups:
        found += group if isinstance(group[0], str) else [join([part for part in group if isinstance(part, Quoted)])]
    return tuple(found)
