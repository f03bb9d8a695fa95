"""The recorded upstreams as a process on loopback, for tests marked `recorded`.

with replay(recordings, "2026-02-04") as upstreams:
    settings = load(**upstreams.settings)
    upstreams.faults({"huggingface.co": ["500"]})
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import Request, urlopen


class Served(NamedTuple):
    """One request, as the player logged it."""

    seconds: float
    """Since the player started."""
    host: str
    path: str
    status: int | str
    """Or the kind of fault."""


@dataclass(frozen=True, slots=True)
class Upstreams:
    """A running player of recordings."""

    base: str
    """Its address, without a slash at the end."""

    @property
    def settings(self) -> dict[str, str]:
        """The settings that send the program here."""
        return {
            "huggingface_url": f"{self.base}/huggingface.co",
            "arxiv_feed_url": f"{self.base}/rss.arxiv.org",
            "arxiv_api_url": f"{self.base}/export.arxiv.org",
        }

    def set_today(self, day: str) -> None:
        """The day, as YYYY-MM-DD, up to which the upstreams know anything."""
        self._call("PUT", "/_control", {"today": day})

    def faults(self, kinds: Mapping[str, Sequence[str]]) -> None:
        """What goes wrong next, per host, instead of what was set before; the player's own text lists the kinds."""
        self._call("PUT", "/_control", {"faults": {host: list(faults) for host, faults in kinds.items()}})

    def log(self) -> list[Served]:
        """Every request so far, oldest first."""
        served = [Served(*row) for row in self._call("GET", "/_log")]
        return [request for request in served if request.host]

    def _call(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(self.base + path, data=data, method=method), timeout=10) as answer:
            return json.load(answer)


@contextmanager
def replay(recordings: Path, today: str) -> Iterator[Upstreams]:
    """Play the recordings on a free port, as of `today` (YYYY-MM-DD), until the block is left."""
    player = recordings.parent / "upstreams" / "replay.py"
    command = [sys.executable, str(player), "--port", "0", "--today", today, "--data", str(recordings)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready = process.stdout.readline()  # written once everything is loaded and the port is open
            address = re.search(r"http://\S+", ready)
            assert address, f"{player} did not start: {ready!r}"
            yield Upstreams(address[0])
        finally:
            process.terminate()
