"""Once a night, forget what nobody needs any more. What would make a paper come twice is never forgotten."""

from __future__ import annotations

import structlog

from digest.pipeline.parts import Parts
from digest.pipeline.plan import BACKGROUND

log = structlog.get_logger(__name__)


def tidy(parts: Parts) -> bool:
    """Forget what is too old, at most once a UTC day; whether it was done now."""
    now = parts.clock()
    if parts.store.facts.get("tidied") == now.date().isoformat():
        return False
    forgotten = parts.store.attic.tidy(now, BACKGROUND)
    parts.store.facts.put({"tidied": now.date().isoformat()})
    log.info("tidied", **forgotten)
    return True
