"""The two bodies of a digest, with as much of each paper as 90 KB of HTML allow.

Gmail clips a mail at about 102 KB of HTML, and the footer with the way out goes first. Papers are therefore shortened,
then made one-liners, then left out, each time from the end of the mail, and the page says how many are missing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from digest.compose.cards import Cards, Form
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
        forms = [Form.LINE if pick.section is Section.QUIETER else Form.FULL for pick in self.digest.picks]
        written = [self._card(i, form) for i, form in enumerate(forms)]
        html = self._render("html", forms, written)
        if (excess := len(html.encode()) - BUDGET) > 0:
            self._shrink(forms, written, excess + _SLACK)
            html = self._render("html", forms, written)
            if len(html.encode()) > BUDGET:
                raise SettingsError(f"mail/digest/body.html: takes over {BUDGET} bytes even without papers")
        return html, tidy(self._render("txt", forms, written))

    def _card(self, i: int, form: Form) -> tuple[str, str]:
        return self.cards.write(self.digest, self.digest.picks[i], form, self.words)

    def _shrink(self, forms: list[Form], written: list[tuple[str, str]], excess: int) -> None:
        """Changes *forms* and *written* until *excess* bytes are gone."""
        for form in (Form.SHORT, Form.LINE, Form.GONE):
            for i in reversed(range(len(forms))):
                if excess <= 0:
                    return
                if form > forms[i]:
                    smaller = self._card(i, form)
                    excess -= len(written[i][0].encode()) - len(smaller[0].encode())
                    forms[i], written[i] = form, smaller

    def _render(self, kind: str, forms: Sequence[Form], written: Sequence[tuple[str, str]]) -> str:
        cards = [html if kind == "html" else text for html, text in written]
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
        return Part(section.value, self._title(section), tuple(card for form, card in here if form < Form.LINE), lines)

    def _title(self, section: Section) -> str:
        match section:
            case Section.FOR_YOU:
                return self.words.gettext("For you")
            case Section.TRENDING:
                return self.words.gettext("Trending")
            case Section.QUIETER:
                return self.words.gettext("Also new")


def tidy(text: str) -> str:
    """At most two empty lines in a row, none at either end, no blanks at the end of a line."""
    text = re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)
    return re.sub(r"\n{4,}", "\n\n\n", text).strip("\n") + "\n"
