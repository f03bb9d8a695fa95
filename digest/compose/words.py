"""The program's own words in the reader's language: GNU gettext catalogs, dates and numbers by CLDR through Babel.

English is the source of every message. `locale/<language>.po` is read as it is, so that a translator's file works
without a build step; `pybabel` understands the same files.
"""

from __future__ import annotations

import gettext
import io
from datetime import date, datetime, time
from functools import lru_cache
from pathlib import Path

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton, format_time
from babel.lists import format_list
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_compact_decimal, format_decimal, format_percent

FOLDER = Path(__file__).parent / "locale"
NO_BREAK = "\N{NO-BREAK SPACE}"


class Words:
    """One language: its messages, dates and numbers."""

    def __init__(self, locale: Locale, messages: gettext.NullTranslations) -> None:
        self.locale = locale
        self._messages = messages
        # Babel takes its time, and thousands of readers are told the same few days and numbers
        self.day = lru_cache(512)(self._day)
        self.long_day = lru_cache(512)(self._long_day)
        self.count = lru_cache(4096)(self._count)
        self.both = lru_cache(4096)(self._both)
        self.gettext = lru_cache(1024)(self._gettext)

    @property
    def tag(self) -> str:
        """As in `lang` and Content-Language (BCP 47)."""
        return str(self.locale).replace("_", "-")

    def _gettext(self, message: str) -> str:
        """*message* in this language; a number stays on one line with what it counts."""
        return _kept_together(self._messages.gettext(message))

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        """Likewise, in the form for *number*."""
        return _kept_together(self._messages.ngettext(singular, plural, number))

    def _day(self, day: date | datetime) -> str:
        """4 Feb., on one line."""
        said = format_skeleton("MMMd", datetime(day.year, day.month, day.day), locale=self.locale)  # noqa: DTZ001
        return said.replace(" ", NO_BREAK)

    def _long_day(self, day: date) -> str:
        """Wednesday, 4 February 2026."""
        return format_date(day, "full", locale=self.locale)

    def weekday(self, number: int) -> str:
        """Wednesday, for 2."""
        return str(self.locale.days["format"]["wide"][number])

    def clock(self, at: time) -> str:
        """7:00 AM, 07:00."""
        return format_time(at, "short", locale=self.locale)

    def _count(self, number: int) -> str:
        """412, 1,234."""
        return format_decimal(number, locale=self.locale)

    def about(self, number: int) -> str:
        """412, 1.2K."""
        if number < 1000:
            return str(number)
        return format_compact_decimal(number, locale=self.locale, fraction_digits=1)

    def percent(self, number: int) -> str:
        """97%."""
        return format_percent(number / 100, locale=self.locale)

    def _both(self, parts: tuple[str, ...]) -> str:
        """A, B and C."""
        return format_list(list(parts), locale=self.locale)


def _kept_together(message: str) -> str:
    return message.replace("%(count)s ", f"%(count)s{NO_BREAK}")


@lru_cache
def words(language: str) -> Words:
    """The words of *language* ("de", "de-AT"); those that nobody translated are English."""
    try:
        locale = Locale.parse(language.replace("-", "_"))
    except (ValueError, UnknownLocaleError):
        locale = Locale("en")
    catalog = FOLDER / f"{locale.language}.po"
    if locale.language != "en" and not catalog.exists():
        locale = Locale("en")
    return Words(locale, _messages(catalog))


def _messages(catalog: Path) -> gettext.NullTranslations:
    if not catalog.exists():
        return gettext.NullTranslations()
    compiled = io.BytesIO()
    with catalog.open("rb") as file:
        write_mo(compiled, read_po(file))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)
