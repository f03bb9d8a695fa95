"""One digest on its way to paper, with as much of each paper as 90 KB of HTML allow.

Gmail clips a mail at about 102 KB of HTML, and the footer with the way out goes first. Papers are therefore shortened,
then made one-liners, then left out, each time from the end of the mail, and the page says how many are missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from digest.compose.cards import Entry, Form, Shown
from digest.compose.frames import Common, Frames, Own
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
        shown = [
            entry.show(Form.LINE if entry.pick.section is Section.QUIETER else Form.FULL) for entry in self.entries
        ]
        common = self._laid_out(shown)
        html = self._html(shown, common)
        if len(html) > BUDGET and (excess := size(html) - BUDGET) > 0:
            shown = self._shrunk(shown, excess + _SLACK)
            common = self._laid_out(shown)
            html = self._html(shown, common)
            if size(html) > BUDGET:
                raise SettingsError(f"mail/digest/body.html: takes over {BUDGET} bytes whatever is left out")
        return self._text(shown, common), html

    def _html(self, shown: Sequence[Shown], common: Common) -> bytes:
        cards = {b"card%d" % i: each.html(i, self.feedback) for i, each in enumerate(shown)}
        return self.frames.write("body.html", common, self.own, cards)

    def _text(self, shown: Sequence[Shown], common: Common) -> bytes:
        papers = {}
        for i, each in enumerate(shown):
            papers[b"card%d" % i], papers[b"links%d" % i] = each.text(i, self.feedback)
        own = {**self.own, "because": wrap(self.own["because"])}
        return self.frames.write("body.txt", common, own, papers)

    def _laid_out(self, shown: Sequence[Shown]) -> Common:
        return self.common._replace(layout=tuple([each.place for each in shown]))

    def _shrunk(self, shown: Sequence[Shown], excess: int) -> list[Shown]:
        """The same with *excess* bytes gone, or everything."""
        shown = [*shown]
        sizes = [size(each.html(i, self.feedback)) for i, each in enumerate(shown)]
        for form in (Form.SHORT, Form.LINE, Form.GONE):
            for i in reversed(range(len(shown))):
                if excess <= 0:
                    return shown
                if form > shown[i].place.form:
                    shown[i] = self.entries[i].show(form)
                    smaller = size(shown[i].html(i, self.feedback))
                    excess -= sizes[i] - smaller
                    sizes[i] = smaller
        return shown
