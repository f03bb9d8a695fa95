"""How the pulls of each source went, and what lets them ask politely."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from digest.store import schema
from digest.store.engine import Database


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """How a source fared so far."""

    name: str
    covered_until: datetime | None = None
    """The moment up to which the last good pull covered it."""
    attempted_at: datetime | None = None
    succeeded_at: datetime | None = None
    failing_since: datetime | None = None
    failure: str = ""
    """Why the last pull was not complete; empty when it was."""


class Sources:
    """What the database knows of the sources."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def records(self) -> dict[str, SourceRecord]:
        """Every source that was ever pulled, by name."""
        with self._database.reading() as connection:
            rows = connection.execute(sa.select(schema.sources)).mappings()
            return {row["name"]: SourceRecord(**row) for row in rows}

    def record(self, name: str, now: datetime, covered_until: datetime | None, failure: str) -> None:
        """Remember how a pull went; what an earlier one covered stays, where this one (None) covered nothing."""
        s = schema.sources.c
        ok = not failure
        upsert = self._database.insert(schema.sources).values(
            name=name,
            covered_until=covered_until,
            attempted_at=now,
            succeeded_at=now if ok else None,
            failing_since=None if ok else now,
            failure=failure[:500],
        )
        new = upsert.excluded
        changes = {
            "covered_until": sa.func.coalesce(new.covered_until, s.covered_until),
            "attempted_at": new.attempted_at,
            "succeeded_at": sa.func.coalesce(new.succeeded_at, s.succeeded_at),
            "failing_since": None if ok else sa.func.coalesce(s.failing_since, new.failing_since),
            "failure": new.failure,
        }
        with self._database.writing() as connection:
            connection.execute(upsert.on_conflict_do_update(index_elements=["name"], set_=changes))

    # -- conditional requests

    def get(self, url: str) -> tuple[str, str] | None:
        """ETag and Last-Modified of the last good answer of *url*."""
        v = schema.validators.c
        with self._database.reading() as connection:
            row = connection.execute(sa.select(v.etag, v.last_modified).where(v.url == url)).first()
        return (row.etag, row.last_modified) if row else None

    def put(self, url: str, etag: str, last_modified: str) -> None:
        """Remember them."""
        values = {"etag": etag, "last_modified": last_modified}
        upsert = self._database.insert(schema.validators).values(url=url, **values)
        with self._database.writing() as connection:
            connection.execute(upsert.on_conflict_do_update(index_elements=["url"], set_=values))


class Facts:
    """Single values, such as the hash of the roster that was synchronised last."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str) -> str | None:
        """The value of *name*."""
        with self._database.reading() as connection:
            value: str | None = connection.scalar(sa.select(schema.facts.c.value).where(schema.facts.c.name == name))
            return value

    def put(self, values: Mapping[str, str]) -> None:
        """Set them."""
        insert = self._database.insert(schema.facts)
        upsert = insert.on_conflict_do_update(index_elements=["name"], set_={"value": insert.excluded.value})
        with self._database.writing() as connection:
            connection.execute(upsert, [{"name": name, "value": value} for name, value in values.items()])
