"""What a check found."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Level(enum.StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    """Works, or could not be looked at; worth a minute."""
    FAIL = "fail"
    """Somebody will not get their digest."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    check: str
    level: Level
    text: str
    advice: str = ""
    """What to do; "" where there is nothing to do."""

    @classmethod
    def ok(cls, check: str, text: str) -> Finding:
        """All is well."""
        return cls(check, Level.OK, text)

    @classmethod
    def warn(cls, check: str, text: str, advice: str) -> Finding:
        """Worth a minute."""
        return cls(check, Level.WARN, text, advice)

    @classmethod
    def fail(cls, check: str, text: str, advice: str) -> Finding:
        """To be mended."""
        return cls(check, Level.FAIL, text, advice)
