"""Addresses never to be written to, as keyed hashes: nobody can read them, and an address can be looked up."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa

from digest.store import schema
from digest.store.engine import Database


class Suppressions:
    """The suppressions of a database. A subscriber's token is the keyed hash of their address."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, token: str, reason: str, now: datetime) -> None:
        """Never write to that address again; saying so twice changes nothing."""
        insert = self._database.insert(schema.suppressions).on_conflict_do_nothing()
        with self._database.writing() as connection:
            connection.execute(insert.values(token=token, reason=reason, at=now))
            connection.execute(_REST.where(_p.token == token))

    def lift(self, tokens: Iterable[str], reasons: Iterable[str]) -> bool:
        """Let an address be written to again that was suppressed for one of *reasons*; True when it was."""
        mine = sa.and_(_s.token.in_(sorted(set(tokens))), _s.reason.in_(sorted(set(reasons))))
        with self._database.writing() as connection:
            return connection.execute(schema.suppressions.delete().where(mine)).rowcount > 0

    def stop_due(self, now: datetime) -> int:
        """See to it that no issue is planned for the suppressed; how many a roster that names them had made due."""
        due = sa.and_(_p.next_due_at <= now, _p.token.in_(sa.select(_s.token)))
        with self._database.reading() as connection:
            if not connection.scalar(sa.select(sa.exists().where(due))):  # the usual minute: no lock for nothing
                return 0
        with self._database.writing() as connection:
            return connection.execute(_REST.where(due)).rowcount

    def any(self, tokens: Iterable[str]) -> bool:
        """Whether one of *tokens* is suppressed: one address has a token under every key."""
        with self._database.reading() as connection:
            return connection.scalar(sa.select(sa.exists().where(_s.token.in_(sorted(set(tokens)))))) is True

    def count(self) -> int:
        """How many there are."""
        with self._database.reading() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(schema.suppressions)) or 0


_s, _p = schema.suppressions.c, schema.subscribers.c
_REST = schema.subscribers.update().values(next_due_at=None)
