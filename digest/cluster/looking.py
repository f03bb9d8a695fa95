"""Queues and workers, as `digest status` shows them."""

from __future__ import annotations

from typing import Any

import psycopg

QUEUES = """
    SELECT queue_name, status::text, count(*) FROM procrastinate_jobs
    WHERE status IN ('todo', 'doing', 'failed') GROUP BY 1, 2 ORDER BY 1, 2
"""
WORKERS = """
    SELECT count(*), coalesce(extract(epoch FROM now() - min(last_heartbeat)), 0)::int FROM procrastinate_workers
"""


def look(conninfo: str, password: str) -> dict[str, Any]:
    """Jobs that wait, run or failed, by queue, and workers; empty where no worker was ever started."""
    with psycopg.connect(conninfo, password=password or None) as connection:
        connection.read_only = True
        if connection.execute("SELECT to_regclass('procrastinate_jobs')").fetchone() == (None,):
            return {}
        queues: dict[str, dict[str, int]] = {}
        for queue, status, number in connection.execute(QUEUES):
            queues.setdefault(queue, {})[status] = number
        workers, silent = connection.execute(WORKERS).fetchone() or (0, 0)
    return {"queues": queues, "workers": workers, "longest_silence_seconds": silent}
