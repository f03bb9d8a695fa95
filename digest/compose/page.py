"""The two bodies of a digest, with as much of each paper as 90 KB of HTML allow.

Gmail clips a mail at about 102 KB of HTML, and the footer with the way out goes first. Papers are therefore shortened,
then made one-liners, then left out, each time from the end of the mail, and the page says how many are missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from digest.compose.cards import Cards, Entry, Form
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

    def bodies(self) -> tuple[str, str]:
        """HTML and text.

        Raises:
            SettingsError: a template is wrong, or too large even without papers.
        """
        entries = [self.cards.entry(self.digest, pick, self.words) for pick in self.digest.picks]
        forms = [Form.LINE if pick.section is Section.QUIETER else Form.FULL for pick in self.digest.picks]
        cards = [entry.html(form) for entry, form in zip(entries, forms, strict=True)]
        html = self._render("html", forms, cards)
        if (excess := len(html.encode()) - BUDGET) > 0:
            _shrink(entries, forms, cards, excess + _SLACK)
            html = self._render("html", forms, cards)
            if len(html.encode()) > BUDGET:
                raise SettingsError(f"mail/digest/body.html: takes over {BUDGET} bytes even without papers")
        texts = [entry.text(form) for entry, form in zip(entries, forms, strict=True)]
        return html, tidy(self._render("txt", forms, texts))

    def _render(self, kind: str, forms: Sequence[Form], cards: Sequence[str]) -> str:
        parts = [part for section in Section if (part := self._part(section, forms, cards))]
        papers = {"parts": parts, "left_out": forms.count(Form.GONE)}
        return self.templates.render(f"mail/digest/body.{kind}", self.words, {**self.values, **papers})

    def _part(self, section: Section, forms: Sequence[Form], cards: Sequence[str]) -> Part | None:
        here = [
            (form, Markup(card))  # noqa: S704 - the card's own template has escaped it
            for pick, form, card in zip(self.digest.picks, forms, cards, strict=True)
            if pick.section is section and form is not Form.GONE
        ]
        if not here:
            return None
        lines = tuple(card for form, card in here if form is Form.LINE)
        return Part(
            section.value,
            section_title(section, self.words),
            tuple(card for form, card in here if form < Form.LINE),
            lines,
        )


def section_title(section: Section, words: Words) -> str:
    """The heading of a section."""
    match section:
        case Section.FOR_YOU:
            return words.gettext("For you")
        case Section.TRENDING:
            return words.gettext("Trending")
        case Section.QUIETER:
            return words.gettext("Also new")


def _shrink(entries: Sequence[Entry], forms: list[Form], cards: list[str], excess: int) -> None:
    """Changes *forms* and *cards* until *excess* bytes are gone."""
    for form in (Form.SHORT, Form.LINE, Form.GONE):
        for i in reversed(range(len(forms))):
            if excess <= 0:
                return
            if form > forms[i]:
                smaller = entries[i].html(form)
                excess -= len(cards[i].encode()) - len(smaller.encode())
                forms[i], cards[i] = form, smaller


def tidy(text: str) -> str:
    """At most two empty lines in a row, and none at either end."""
    while "\n\n\n\n" in text:
        text = text.replace("\n\n\n\n", "\n\n\n")
    return text.strip("\n") + "\n"
