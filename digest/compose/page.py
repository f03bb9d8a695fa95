"""The two bodies of a digest, with as much of each paper as 90 KB of HTML allow.

Gmail clips a mail at about 102 KB of HTML, and the footer with the way out goes first. Papers are therefore shortened,
then made one-liners, then left out, each time from the end of the mail, and the page says how many are missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from digest.compose.cards import Cards, Entry, Form, slot, split
from digest.compose.quoted import Body, Quoted
from digest.compose.render import Templates
from digest.compose.words import Words
from digest.errors import SettingsError
from digest.models import Digest, Section

BUDGET = 90_000
"""Bytes of HTML."""
_SLACK = 600
"""Bytes by which a page may grow when it says how many papers were left out."""


@dataclass(frozen=True, slots=True)
class Part:
    """One section of the mail, as templates see it."""

    name: str
    """A value of `models.Section`."""
    title: str
    cards: tuple[str, ...]
    """Rendered; full or shortened."""
    lines: tuple[str, ...]
    """Rendered one-liners."""


@dataclass(slots=True)
class Page:
    """One digest on its way to paper."""

    digest: Digest
    words: Words
    values: Mapping[str, Any]
    """The variables of the templates, but for `parts` and `left_out`."""
    cards: Cards
    templates: Templates

    def bodies(self) -> tuple[Body, Body]:
        """HTML and text.

        Raises:
            SettingsError: a template is wrong, or too large even without papers.
        """
        entries = self.cards.entries(self.digest, self.words)
        forms = [Form.LINE if pick.section is Section.QUIETER else Form.FULL for pick in self.digest.picks]
        cards = [entry.html(form) for entry, form in zip(entries, forms, strict=True)]
        frame = self._frame("html", forms)
        if (excess := _size(frame, cards) - BUDGET) > 0:
            _shrink(entries, forms, cards, excess + _SLACK)
            frame = self._frame("html", forms)
        html = _filled(frame, _named("card", cards))
        if html.size > BUDGET:
            raise SettingsError(f"mail/digest/body.html: takes over {BUDGET} bytes whatever is left out")
        return html, self._text(entries, forms)

    def _text(self, entries: Sequence[Entry], forms: Sequence[Form]) -> Body:
        cards = _named("card", [entry.text(form) for entry, form in zip(entries, forms, strict=True)])
        links = _named("links", [entry.links(form) for entry, form in zip(entries, forms, strict=True)])
        frame = self._frame("txt", forms, links=[slot(name) for name, content in links.items() if content])
        return _filled(frame, cards | links)

    def _frame(self, kind: str, forms: Sequence[Form], **more: Any) -> str:
        """The page with a slot for each card: cards enter after the templates are done, encoded already."""
        parts = [part for section in Section if (part := self._part(section, forms))]
        papers = {"parts": parts, "left_out": forms.count(Form.GONE), **more}
        return tidy(self.templates.render(f"mail/digest/body.{kind}", self.words, {**self.values, **papers}))

    def _part(self, section: Section, forms: Sequence[Form]) -> Part | None:
        here = [(form, slot(f"card{i}")) for i, form in enumerate(forms) if self.digest.picks[i].section is section]
        cards = tuple(card for form, card in here if form < Form.LINE)
        lines = tuple(card for form, card in here if form is Form.LINE)
        return Part(section.value, section_title(section, self.words), cards, lines) if cards or lines else None


def section_title(section: Section, words: Words) -> str:
    """The heading of a section."""
    match section:
        case Section.FOR_YOU:
            return words.gettext("For you")
        case Section.TRENDING:
            return words.gettext("Trending")
        case Section.QUIETER:
            return words.gettext("Also new")


def _shrink(entries: Sequence[Entry], forms: list[Form], cards: list[list[Quoted]], excess: int) -> None:
    """Changes *forms* and *cards* until *excess* bytes are gone."""
    for form in (Form.SHORT, Form.LINE, Form.GONE):
        for i in reversed(range(len(forms))):
            if excess <= 0:
                return
            if form > forms[i]:
                smaller = entries[i].html(form)
                excess -= _size("", [cards[i]]) - _size("", [smaller])
                forms[i], cards[i] = form, smaller


def _size(frame: str, cards: Sequence[Sequence[Quoted]]) -> int:
    return len(frame.encode()) + sum([stretch.size for card in cards for stretch in card])


def _named(kind: str, contents: Sequence[list[Quoted]]) -> dict[str, list[Quoted]]:
    """What belongs into which slot."""
    return {f"{kind}{i}": content for i, content in enumerate(contents)}


def _filled(frame: str, contents: Mapping[str, list[Quoted]]) -> Body:
    stretches: list[Quoted] = []
    for part in split(frame):
        stretches += contents[part] if isinstance(part, str) else (part,)
    return Body(stretches)


def tidy(text: str) -> str:
    """At most two empty lines in a row, and none at either end."""
    while "\n\n\n\n" in text:
        text = text.replace("\n\n\n\n", "\n\n\n")
    return text.strip("\n") + "\n"
