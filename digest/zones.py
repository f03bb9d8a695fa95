"""Which rules of the world's clocks are in force: the newer of the system's zone database and Python's package.

Governments change clocks at a few weeks' notice, and a program that runs for years sees a dozen new databases. A
system's is read first (PEP 615), even where the package `tzdata` knows more; so the versions are compared here.
"""

from __future__ import annotations

import os
import re
import zoneinfo
from collections.abc import Sequence
from pathlib import Path

import tzdata

SYSTEM = zoneinfo.TZPATH
"""Where the system keeps its own, as Python found it at the start."""


def use_newest() -> str:
    """See to it that times are reckoned by the newest rules at hand; their version, such as "2026a".

    Cheap enough for every pass. Rules that were replaced on disk count from now on. An operator who sets PYTHONTZPATH
    has chosen.
    """
    system = _version(SYSTEM)
    chosen = "PYTHONTZPATH" in os.environ
    ours = not chosen and system < tzdata.IANA_VERSION
    path, version = ((), tzdata.IANA_VERSION) if ours else (SYSTEM, system)
    if path != zoneinfo.TZPATH:
        zoneinfo.reset_tzpath(path)
    if version != _in_force.get("version"):
        _in_force["version"] = version
        zoneinfo.ZoneInfo.clear_cache()
    return version


_in_force: dict[str, str] = {}


def _version(path: Sequence[str]) -> str:
    """What the first database on *path* calls itself; "" where it does not say."""
    for folder in map(Path, path):
        try:
            with (folder / "tzdata.zi").open() as file:
                found = re.match(r"# version (\S+)", file.readline())
        except OSError:
            continue
        return found[1] if found else ""
    return ""
