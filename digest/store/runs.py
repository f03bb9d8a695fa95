"""What each pass did, and the word statistics that passes share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from digest.store import schema
from digest.store.engine import Database


@dataclass(frozen=True, slots=True)
class Run:
    """One pass and its report."""

    started_at: datetime
    finished_at: datetime
    report: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Learned:
    """Word statistics as the ranking serialised them."""

    learned_at: datetime
    papers: int
    """How many papers were stored at that time."""
    data: bytes


class Runs:
    """The passes and the statistics of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, run: Run) -> None:
        """Remember a pass."""
        values = {"started_at": run.started_at, "finished_at": run.finished_at, "report": run.report}
        with self._database.writing() as connection:
            connection.execute(schema.runs.insert().values(values))

    def latest(self) -> Run | None:
        """The last pass."""
        with self._database.reading() as connection:
            row = connection.execute(sa.select(schema.runs).order_by(schema.runs.c.id.desc()).limit(1)).first()
        return Run(row.started_at, row.finished_at, row.report) if row else None

    def statistics(self) -> Learned | None:
        """The word statistics, if any were learned."""
        with self._database.reading() as connection:
            row = connection.execute(sa.select(schema.statistics)).first()
        return Learned(row.learned_at, row.papers, row.data) if row else None

    def keep_statistics(self, learned: Learned) -> None:
        """Replace them."""
        values = {"learned_at": learned.learned_at, "papers": learned.papers, "data": learned.data}
        upsert = self._database.insert(schema.statistics).values(id=1, **values)
        with self._database.writing() as connection:
            connection.execute(upsert.on_conflict_do_update(index_elements=["id"], set_=values))
