"""One digest on its way to paper, with as much of each paper as 90 KB of HTML allow.

Gmail clips a mail at about 102 KB of HTML, and the footer with the way out goes first. Papers are therefore shortened,
then made one-liners, then left out, each time from the end of the mail, and the page says how many are missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from digest.compose.cards import Entry, Form, numeral
from digest.compose.frames import Common, Frames, Own, Place
from digest.compose.quoted import plain, size
from digest.compose.text import wrap
from digest.errors import SettingsError
from digest.models import Section

BUDGET = 90_000
"""Bytes of HTML."""
_SLACK = 600
"""Bytes by which a page may grow when it says how many papers were left out."""


@dataclass(slots=True)
class Page:
    """The mail of one reader."""

    frames: Frames
    common: Common
    """With no layout yet."""
    own: Own
    entries: Sequence[Entry]
    feedback: bytes
    """What the links of "more like this" begin with, encoded."""

    def subject(self) -> str:
        """As the template has it."""
        return plain(self.frames.write("subject.txt", self.common, self.own, {}))

    def bodies(self) -> tuple[bytes, bytes]:
        """Text and HTML, as they travel.

        Raises:
            SettingsError: a template is wrong, or too large even without papers.
        """
        forms = [Form.LINE if entry.pick.section is Section.QUIETER else Form.FULL for entry in self.entries]
        common = self._laid_out(forms)
        html = self._html(common)
        if len(html) > BUDGET and (excess := size(html) - BUDGET) > 0:
            common = self._laid_out(self._shrunk(forms, excess + _SLACK))
            html = self._html(common)
            if size(html) > BUDGET:
                raise SettingsError(f"mail/digest/body.html: takes over {BUDGET} bytes whatever is left out")
        return self._text(common), html

    def _laid_out(self, forms: Sequence[Form]) -> Common:
        layout = [
            Place(entry.pick.section, form, bool(entry.card(form).links.pattern))
            for entry, form in zip(self.entries, forms, strict=True)
        ]
        return self.common._replace(layout=tuple(layout))

    def _html(self, common: Common) -> bytes:
        cards = {b"card%d" % i: self._html_card(i, place.form) for i, place in enumerate(common.layout)}
        return self.frames.write("body.html", common, self.own, cards)

    def _html_card(self, i: int, form: Form) -> bytes:
        entry = self.entries[i]
        return entry.card(form).html.fill(self._slots(i, entry.said.html))

    def _text(self, common: Common) -> bytes:
        papers = {}
        for i, place in enumerate(common.layout):
            entry = self.entries[i]
            card, slots = entry.card(place.form), self._slots(i, entry.said.text)
            papers[b"card%d" % i] = card.text.fill(slots)
            papers[b"links%d" % i] = card.links.fill(slots)
        own = {**self.own, "because": wrap(self.own["because"])}
        return self.frames.write("body.txt", common, own, papers)

    def _slots(self, i: int, reason: bytes) -> dict[bytes, bytes]:
        return {b"number": numeral(i + 1), b"reason": reason, b"feedback": self.feedback}

    def _shrunk(self, forms: Sequence[Form], excess: int) -> list[Form]:
        """*forms* with which *excess* bytes are gone, or nothing is left."""
        forms = [*forms]
        sizes = [size(self._html_card(i, form)) for i, form in enumerate(forms)]
        for form in (Form.SHORT, Form.LINE, Form.GONE):
            for i in reversed(range(len(forms))):
                if excess <= 0:
                    return forms
                if form > forms[i]:
                    smaller = size(self._html_card(i, form))
                    excess -= sizes[i] - smaller
                    forms[i], sizes[i] = form, smaller
        return forms
