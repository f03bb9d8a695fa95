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

    def any(self, tokens: Iterable[str]) -> bool:
        """Whether one of *tokens* is suppressed: one address has a token under every key."""
        with self._database.reading() as connection:
            return connection.scalar(sa.select(sa.exists().where(_s.token.in_(sorted(set(tokens)))))) is True

    def count(self) -> int:
        """How many there are."""
        with self._database.reading() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(schema.suppressions)) or 0


_s = schema.suppressions.c
