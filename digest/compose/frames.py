"""Frames: a digest without its papers, rendered once for all readers to whom the same is said.

What is one reader's own (their links, the lead paper's title in the subject) is left open as slots. A template that
wants to know more of it than whether it is there is rendered with the real values, for each reader alone: that is
slower, and otherwise no different.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from markupsafe import escape

from digest.compose.cards import Form, Place
from digest.compose.quoted import Blank, blank, quoted
from digest.compose.render import Templates
from digest.compose.site import Site
from digest.compose.slots import own_slot, slot
from digest.compose.text import clean
from digest.compose.words import Words
from digest.errors import SettingsError
from digest.models import Section

KEPT = 1024
"""Frames in memory, about 10 KB each: a day's arrangements of sections, for subject, HTML and text."""

RECENT = 256
"""Encoded values of readers' own in memory."""

Own = Mapping[str, Any]
"""The variables that are one reader's own; every reader has the same ones, some of them empty."""


class Common(NamedTuple):
    """What a page says to many readers alike; with the reader's own, it decides every byte but the papers'."""

    words: Words
    date: str
    summary: str
    greeting: str
    chosen: str
    failures: tuple[str, ...]
    layout: tuple[Place, ...] = ()
    """Of all papers, in their order."""


@dataclass(frozen=True, slots=True)
class Part:
    """One section of the mail, as templates see it."""

    name: str
    """A value of `models.Section`."""
    title: str
    cards: tuple[str, ...]
    """Slots; full or shortened."""
    lines: tuple[str, ...]
    """Slots for one-liners."""


class Frames:
    """Writes `mail/digest/subject.txt`, `body.txt` and `body.html`."""

    def __init__(self, templates: Templates, site: Site) -> None:
        self._templates = templates
        self._site = site
        self._shared = lru_cache(KEPT)(self._render_shared)

    def write(self, file: str, common: Common, own: Own, papers: Mapping[bytes, bytes]) -> bytes:
        """The file for one reader, as it travels.

        Args:
            file: its name in `mail/digest/`.
            common: what is said to many.
            own: what is said to this reader.
            papers: what stands in the slots `card0`, `links0` and so on, encoded.

        Raises:
            SettingsError: the template is wrong.
        """
        filled = tuple(map(bool, own.values()))
        frame = self._shared(file, common, tuple(own), filled) or self._render(file, common, own)
        encoded = _as_html if file.endswith(".html") else _as_text
        mine = {name.encode(): encoded(str(own[name])) for name in frame.names & own.keys()}
        return frame.fill({**papers, **mine})

    def _render_shared(
        self, file: str, common: Common, names: tuple[str, ...], filled: tuple[bool, ...]
    ) -> Blank | None:
        """The frame with slots for the reader's own; None where the template cannot do with that, or is wrong."""
        slots = {name: own_slot(name, filled=each) for name, each in zip(names, filled, strict=True)}
        try:
            return self._render(file, common, slots)
        except SettingsError:
            return None

    def _render(self, file: str, common: Common, own: Own) -> Blank:
        name = f"mail/digest/{file}"
        rendered = self._templates.render(name, common.words, {"site": self._site, **_said(file, common), **own})
        papers = [f"{kind}{i}" for kind in ("card", "links") for i in range(len(common.layout))]
        return blank(tidy(rendered), name, {*papers, *own})


def _as_text(value: str) -> bytes:
    return _encoded(clean(value))


def _as_html(value: str) -> bytes:
    return _encoded(str(escape(clean(value))))


_encoded = lru_cache(RECENT)(quoted)
"""Much of what is a reader's own stands in both parts of the mail."""


def _said(file: str, common: Common) -> dict[str, Any]:
    """The variables of *file* that many readers share."""
    sentences = {name: getattr(common, name) for name in ("date", "summary", "greeting", "chosen", "failures")}
    if file == "subject.txt":
        return sentences
    parts = tuple(part for section in Section if (part := _part(section, common)))
    papers = {"parts": parts, "left_out": [place.form for place in common.layout].count(Form.GONE)}
    if file == "body.txt":
        papers["links"] = tuple(slot(f"links{i}", "links") for i, place in enumerate(common.layout) if place.links)
    return sentences | papers


def _part(section: Section, common: Common) -> Part | None:
    here = [(place.form, i) for i, place in enumerate(common.layout) if place.section is section]
    cards = tuple(slot(f"card{i}", "part.cards") for form, i in here if form < Form.LINE)
    lines = tuple(slot(f"card{i}", "part.lines") for form, i in here if form is Form.LINE)
    return Part(section.value, section_title(section, common.words), cards, lines) if cards or lines else None


def section_title(section: Section, words: Words) -> str:
    """The heading of a section."""
    match section:
        case Section.FOR_YOU:
            return words.gettext("For you")
        case Section.TRENDING:
            return words.gettext("Trending")
        case Section.QUIETER:
            return words.gettext("Also new")


def tidy(text: str) -> str:
    """At most two empty lines in a row, and none at either end."""
    while "\n\n\n\n" in text:
        text = text.replace("\n\n\n\n", "\n\n\n")
    return text.strip("\n") + "\n"
