"""What came back from addresses. Who may still be written to is decided elsewhere, from the whole of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from digest.store import schema
from digest.store.engine import Database

KEPT = timedelta(days=30)
"""Longer than the score looks back."""


@dataclass(frozen=True, slots=True)
class Returned:
    """One thing that came back, by mail or as the answer to RCPT TO."""

    at: datetime
    kind: str
    """hard, soft, ours or complaint."""
    status: str = ""
    """Enhanced status code, or ""."""
    text: str = ""
    """The reason as given, on one line."""


class Bounces:
    """The bounces of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, token: str, returned: Returned) -> list[Returned]:
        """Remember what came back from the subscriber of *token*: all of theirs by now; none when nobody has it."""
        with self._database.writing() as connection:
            id_ = connection.scalar(sa.select(schema.subscribers.c.id).where(schema.subscribers.c.token == token))
            if id_ is None:
                return []
            connection.execute(
                schema.bounces.insert().values(
                    subscriber_id=id_,
                    at=returned.at,
                    kind=returned.kind,
                    status=returned.status,
                    text=returned.text[:500],
                )
            )
            return self._of(connection, id_)

    def of(self, subscriber_id: int) -> list[Returned]:
        """What came back from one subscriber, oldest first."""
        with self._database.reading() as connection:
            return self._of(connection, subscriber_id)

    def counts(self, since: datetime) -> dict[str, int]:
        """How many of each kind came back since then."""
        query = sa.select(_b.kind, sa.func.count().label("number")).where(_b.at >= since).group_by(_b.kind)
        with self._database.reading() as connection:
            return {row.kind: row.number for row in connection.execute(query.order_by(_b.kind))}

    def forget(self, now: datetime) -> int:
        """Drop what nobody looks at any more."""
        with self._database.writing() as connection:
            return connection.execute(schema.bounces.delete().where(_b.at < now - KEPT)).rowcount

    def clear(self, token: str) -> None:
        """Begin anew with the subscriber of *token*."""
        theirs = sa.select(schema.subscribers.c.id).where(schema.subscribers.c.token == token)
        with self._database.writing() as connection:
            connection.execute(schema.bounces.delete().where(_b.subscriber_id.in_(theirs)))

    def _of(self, connection: sa.Connection, subscriber_id: int) -> list[Returned]:
        query = sa.select(_b.at, _b.kind, _b.status, _b.text).where(_b.subscriber_id == subscriber_id)
        return [Returned(**row) for row in connection.execute(query.order_by(_b.at, _b.id)).mappings()]


_b = schema.bounces.c
