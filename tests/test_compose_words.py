"""The program speaks the reader's language, and a catalog that lags behind is noticed."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from digest.compose import template_folder
from digest.compose.words import FOLDER, words
from tests.make import NOON

DAY = date(2026, 2, 4)
PROJECT = Path(__file__).parents[1]


def messages_of_the_program() -> set[str]:
    """Everything in `gettext`, `ngettext`, `_` and `trans`, singular, but for the pages that only an operator sees."""
    options = {"trim_blocks": "true", "lstrip_blocks": "true", "newstyle_gettext": "true"}
    templates = extract_from_dir(
        template_folder(),
        method_map=[("**", "jinja2")],
        options_map={"**": options},
        strip_comment_tags=True,
        directory_filter=lambda folder: Path(folder).name not in {"inbox", "watch"},  # _base counts
    )
    rooms = [PROJECT / "digest" / name for name in ("compose", "subscription", "web")]
    code = [found for room in rooms for found in extract_from_dir(room, method_map=[("**.py", "python")])]
    return {found[2] if isinstance(found[2], str) else found[2][0] for found in [*templates, *code]}


def catalogs() -> list[Path]:
    return sorted(FOLDER.glob("*.po"))


def read(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file)


@pytest.mark.parametrize("path", catalogs(), ids=lambda path: path.stem)
def test_every_message_is_translated_and_none_is_left_over(path: Path) -> None:
    known = {m.id if isinstance(m.id, str) else m.id[0]: m.string for m in read(path) if m.id}
    assert set(known) == messages_of_the_program()
    assert all(all(s) if isinstance(s, tuple) else s for s in known.values())


@pytest.mark.parametrize("path", catalogs(), ids=lambda path: path.stem)
def test_a_translation_names_the_same_values(path: Path) -> None:
    for message in read(path):
        if message.id:
            assert not list(message.check()), message.id
            source = message.id if isinstance(message.id, str) else message.id[1]
            targets = [message.string] if isinstance(message.string, str) else message.string or ()
            for target in targets:
                assert sorted(re.findall(r"%\(\w+\)s", target)) == sorted(re.findall(r"%\(\w+\)s", source)), message.id


def test_days_and_numbers_are_said_as_there() -> None:
    en, de = words("en"), words("de")
    assert (en.long_day(DAY), de.long_day(DAY)) == ("Wednesday, February 4, 2026", "Mittwoch, 4. Februar 2026")
    assert (en.day(NOON), de.day(DAY)) == ("Feb\N{NO-BREAK SPACE}4", "4.\N{NO-BREAK SPACE}Feb."), "on one line"
    assert (en.count(1234), de.count(1234)) == ("1,234", "1.234")
    assert (en.clock(time(7)).replace("\u202f", " "), de.clock(time(7))) == ("7:00 AM", "07:00")
    assert en.weekday(2) == "Wednesday"
    assert en.about(1240) == "1.2K"


def test_a_moment_and_its_day_are_said_alike() -> None:
    assert words("en").day(datetime(2026, 2, 4, 23, 59)) == words("en").day(DAY)  # noqa: DTZ001


@pytest.mark.parametrize("language", ["", "xx", "tlh", "de_DE_whatever_else", "../../etc", "fr"])
def test_a_language_that_nobody_translated_is_english(language: str) -> None:
    w = words(language)
    assert w.gettext("For you") in {"For you", "Für dich"}


def test_a_region_takes_its_language_s_words_and_its_own_dates() -> None:
    assert words("de-AT").gettext("For you") == "Für dich"
    assert words("de-AT").tag == "de-AT"
    assert words("en-GB").long_day(DAY) == "Wednesday, 4 February 2026"
