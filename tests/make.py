"""Builders of valid values: a test names only what it is about."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import count
from typing import Any

from digest.models import (
    Candidate,
    Digest,
    Interests,
    Origin,
    Paper,
    Pick,
    Profile,
    Reason,
    ReasonKind,
    Section,
    Signal,
    SourceStatus,
    Subscriber,
    SubscriberState,
    Topic,
)

NOON = datetime(2026, 2, 4, 12, 0, tzinfo=UTC)
"""A Wednesday."""

_numbers = count(1)


def token_of(key: str) -> str:
    """A token that the tests can foretell; the real ones are signed."""
    return f"token-of-{key}"


def a_paper(**given: Any) -> Paper:
    number = next(_numbers)
    values: dict[str, Any] = {
        "id": f"2602.{number:05d}",
        "title": f"An invented paper, number {number}",
        "abstract": "We invent a paper. It says nothing that anyone wrote.",
        "authors": ("Ada Example", "Bo Sample"),
        "categories": ("cs.CL",),
        "published": datetime(2026, 2, 3, 9, tzinfo=UTC),
    }
    values |= given
    return Paper(**({"url": f"https://arxiv.org/abs/{values['id']}"} | values))


def a_candidate(paper: Paper | None = None, **given: Any) -> Candidate:
    upvotes = given.pop("upvotes", None)
    if upvotes is not None:
        given["signals"] = (Signal(NOON, upvotes=upvotes),)
    values: dict[str, Any] = {"listed_at": NOON, "sources": ("arxiv",)}
    return Candidate(paper or a_paper(), **(values | given))


def interests(*topics: str, **given: Any) -> Interests:
    return Interests(topics=tuple(Topic(phrase) for phrase in topics), **given)


def a_subscriber(email: str = "ada@example.org", **given: Any) -> Subscriber:
    profile = {
        name: given.pop(name) for name in ("name", "interests", "schedule", "papers", "language") if name in given
    }
    number = next(_numbers)
    values: dict[str, Any] = {
        "id": number,
        "token": f"t{number:08d}",
        "state": SubscriberState.ACTIVE,
        "origin": Origin.FILE,
    }
    return Subscriber(profile=Profile(email, **profile), **(values | given))


def a_pick(paper: Paper | None = None, **given: Any) -> Pick:
    values: dict[str, Any] = {
        "score": 0.7,
        "section": Section.FOR_YOU,
        "reasons": (Reason(ReasonKind.TOPIC, "invented papers", terms=("invented",), value=0.9),),
        "listed_at": NOON,
        "sources": ("arxiv",),
    }
    return Pick(paper or a_paper(), **(values | given))


def a_digest(*picks: Pick, **given: Any) -> Digest:
    values: dict[str, Any] = {
        "subscriber": a_subscriber(),
        "issue": date(2026, 2, 4),
        "planned_at": NOON,
        "considered": 412,
        "sources": (SourceStatus("huggingface", 33), SourceStatus("arxiv", 379)),
    }
    return Digest(picks=picks or (a_pick(),), **(values | given))
