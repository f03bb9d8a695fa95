"""Mails that are no digests, from the moment somebody asks for one until it is sent.

A confirmation that comes twice does no harm, so these are sent at least once: a letter is leased, sent, and deleted.
The row holds an address; it goes as soon as the mail is out, or after a day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from digest.store import schema
from digest.store.engine import Database

LEASE = timedelta(minutes=2)
LIFE = timedelta(days=1)
"""A letter that could not leave in so long is dropped; who still wants it asks again."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail to be written."""

    kind: str
    """confirm, welcome, preferences or goodbye."""
    token: str
    email: str
    at: datetime
    """Goes into the Date header and into links that expire."""
    language: str = "en"
    details: Mapping[str, Any] = field(default_factory=dict)
    """What the templates of this kind ask for, as JSON values."""
    id: int = 0
    attempts: int = 0


def queue(connection: sa.Connection, letter: Letter) -> None:
    """Have *letter* sent, within somebody's transaction."""
    connection.execute(
        schema.letters.insert().values(
            kind=letter.kind,
            token=letter.token,
            email=letter.email,
            language=letter.language,
            details=dict(letter.details),
            at=letter.at,
            ready_at=letter.at,
        )
    )


class Letters:
    """The letters of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, letter: Letter) -> None:
        """Have *letter* sent."""
        with self._database.writing() as connection:
            queue(connection, letter)

    def claim(self, now: datetime, limit: int) -> list[Letter]:
        """Take at most *limit* letters for as long as the lease; the longest waiting first. Drops what is too old."""
        t = schema.letters
        ready = sa.select(t.c.id).where(t.c.ready_at <= now).order_by(t.c.ready_at, t.c.id).limit(limit)
        chosen = ready.with_for_update(skip_locked=True).cte("ready").prefix_with("MATERIALIZED", dialect="postgresql")
        take = (
            t.update()
            .where(t.c.id.in_(sa.select(chosen.c.id)))
            .values(ready_at=now + LEASE, attempts=t.c.attempts + 1)
            .returning(t)
        )
        if not self._waiting(now):  # asked often, and mostly there is nothing: then nothing is written
            return []
        with self._database.writing() as connection:
            connection.execute(t.delete().where(t.c.at < now - LIFE))
            return [_letter(dict(row)) for row in connection.execute(take).mappings()]

    def done(self, letter: Letter) -> None:
        """It is sent, or never will be."""
        with self._database.writing() as connection:
            connection.execute(schema.letters.delete().where(schema.letters.c.id == letter.id))

    def later(self, letter: Letter, ready_at: datetime) -> None:
        """Try again then."""
        update = schema.letters.update().where(schema.letters.c.id == letter.id)
        with self._database.writing() as connection:
            connection.execute(update.values(ready_at=ready_at))

    def count(self) -> int:
        """How many wait."""
        with self._database.reading() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(schema.letters)) or 0

    def _waiting(self, now: datetime) -> bool:
        with self._database.reading() as connection:
            return connection.scalar(sa.select(sa.exists().where(schema.letters.c.ready_at <= now))) is True


def _letter(row: Mapping[str, Any]) -> Letter:
    names = ("kind", "token", "email", "at", "language", "details", "id", "attempts")
    return Letter(**{name: row[name] for name in names})
