"""Queues and workers, as `digest status` shows them."""

from __future__ import annotations

from typing import Any

import psycopg

from digest.cluster.jobs import STALLED

QUEUES = """
    SELECT queue_name, status::text, count(*) FROM procrastinate_jobs
    WHERE status IN ('todo', 'doing', 'failed') GROUP BY 1, 2 ORDER BY 1, 2
"""
WORKERS = """
    SELECT count(*) FILTER (WHERE alive), count(*) FILTER (WHERE NOT alive)
    FROM (SELECT last_heartbeat > now() - make_interval(secs => %s) AS alive FROM procrastinate_workers) AS workers
"""


def look(conninfo: str, password: str) -> dict[str, Any]:
    """Jobs that wait, run or failed, by queue, and workers, one a queue and process; empty where none was ever started.

    Dead ones are those that gave no sign of life for `STALLED` seconds; they are forgotten when the next one starts.
    """
    with psycopg.connect(conninfo, password=password or None) as connection:
        connection.read_only = True
        if connection.execute("SELECT to_regclass('procrastinate_jobs')").fetchone() == (None,):
            return {}
        queues: dict[str, dict[str, int]] = {}
        for queue, status, number in connection.execute(QUEUES):
            queues.setdefault(queue, {})[status] = number
        alive, dead = connection.execute(WORKERS, [STALLED]).fetchone() or (0, 0)
    return {"queues": queues, "workers": alive, "dead_workers": dead}
