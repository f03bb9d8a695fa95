"""Where the demo's papers come from: the real upstreams, or the sample day on loopback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

from digest import app
from digest.sample.upstream import serve
from digest.settings import Settings

UPSTREAM_SETTINGS = {"huggingface_url", "arxiv_feed_url", "arxiv_api_url", "contact"}
"""What the demo takes from the operator's settings, for those who reach the upstreams through a mirror."""

PATIENCE = 4.0
"""Seconds that Hugging Face has for a first answer."""


def silence(settings: Settings) -> str:
    """Why there are no live papers to be had; empty when Hugging Face answers.

    In a thread that may be left behind, because looking up a name cannot be interrupted and, where no name server
    answers, takes half a minute.
    """
    found: list[str] = []
    asking = threading.Thread(target=lambda: found.append(app.unreachable(settings, PATIENCE)), daemon=True)
    asking.start()
    asking.join(PATIENCE + 1)
    reason = found[0] if found else f"no answer within {PATIENCE:g} s"
    return f"Hugging Face: {reason}" if reason else ""


@contextmanager
def sample_day(today: date) -> Iterator[dict[str, str]]:
    """Serve the sample day until the block is left; yields the settings that lead there."""
    with serve(today) as base:
        yield dict.fromkeys(("huggingface_url", "arxiv_feed_url", "arxiv_api_url"), base)
