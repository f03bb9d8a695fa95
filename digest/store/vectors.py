"""Embeddings that were computed before, under the model and a hash of the text that they stand for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from digest.store import schema
from digest.store.engine import Database

BLOCK = 500
"""Hashes in one IN list, and rows of one INSERT."""

NOTED = timedelta(days=7)
"""That a vector is still in use is written down so often: a write for every read would cost more than the model."""


class Vectors:
    """The vectors of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, model: str, keys: Sequence[str]) -> dict[str, bytes]:
        """Those of *keys* that are known; changes nothing."""
        v = schema.vectors.c
        found: dict[str, bytes] = {}
        with self._database.reading() as connection:
            for start in range(0, len(keys), BLOCK):
                query = sa.select(v.key, v.data).where(v.model == model, v.key.in_(keys[start : start + BLOCK]))
                found |= {row.key: row.data for row in connection.execute(query)}
        return found

    def put(self, model: str, rows: Sequence[tuple[str, str, bytes]], now: datetime) -> None:
        """Keep vectors: the hash of the text, the id of the paper ("" for a phrase), the bytes."""
        p = schema.papers.c
        number = sa.select(p.no).where(p.id == sa.bindparam("b_id")).scalar_subquery()
        insert = self._database.insert(schema.vectors).values(paper_no=number).on_conflict_do_nothing()
        shared = {"model": model, "used_at": now}
        values = [{"key": key, "b_id": paper, "data": data, **shared} for key, paper, data in sorted(rows)]
        if values:
            with self._database.writing() as connection:
                connection.execute(insert, values)

    def note(self, model: str, keys: Sequence[str], now: datetime) -> None:
        """Write down that *keys* are still in use; the tidy takes away what nobody asked for in five weeks."""
        v = schema.vectors
        for start in range(0, len(keys), BLOCK):
            part = sorted(keys[start : start + BLOCK])
            old = sa.and_(v.c.model == model, v.c.key.in_(part), v.c.used_at < now - NOTED)
            with self._database.reading() as connection:
                stale = list(connection.scalars(sa.select(v.c.key).where(old)))
            if stale:
                with self._database.writing() as connection:
                    connection.execute(v.update().where(old).values(used_at=now))
