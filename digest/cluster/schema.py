"""Procrastinate's tables: made, and brought up to date, when a worker starts.

The package ships the whole schema, and files that lead from one version to the next; which of them a database has seen
is nowhere kept, so that we keep it.
"""

from __future__ import annotations

from pathlib import Path

import psycopg
from procrastinate.schema import SchemaManager

LOCK = 7422
"""Of pg_advisory_xact_lock: workers that start at once do this one after the other."""


def apply(conninfo: str, password: str) -> None:
    """Make the tables, or take the steps that a newer Procrastinate brought; all or nothing."""
    steps = sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))
    with psycopg.connect(conninfo, password=password or None) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        connection.execute("CREATE TABLE IF NOT EXISTS procrastinate_steps (name text PRIMARY KEY)")
        seen = {name for (name,) in connection.execute("SELECT name FROM procrastinate_steps")}
        if not seen:
            connection.execute(SchemaManager.get_schema().encode())
        for step in steps:
            if seen and step.name not in seen:
                connection.execute(step.read_bytes())
        names = [[step.name] for step in steps if step.name not in seen]
        connection.cursor().executemany("INSERT INTO procrastinate_steps VALUES (%s)", names)
