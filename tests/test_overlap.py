"""Two senders and a cron job at once on one database: nobody gets anything twice, and nobody is forgotten."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from datetime import date
from pathlib import Path

from digest.sample import upstream
from tests.program import Program, entries
from tests.smtp_servers import sink

READERS = 60
PROCESSES = 3


def test_three_at_once_send_each_digest_once(tmp_path: Path, database_url: str) -> None:
    program = Program(tmp_path)
    people = [f"reader{n}@example.org" for n in range(READERS)]
    program.roster(entries(*people))
    with upstream.serve(date(2026, 2, 4)) as base, sink() as relay:
        program.set(database_url=database_url, smtp_url=relay.url, smtp_connections=3)
        program.set(huggingface_url=base, arxiv_feed_url=base, arxiv_api_url=base)
        program.run("2026-02-04T05:00Z")  # reads the roster and the sources; nobody is due
        command = [sys.executable, "-m", "digest", "run", "--at", "2026-02-04T08:00Z", "--json"]
        environment = os.environ | program.environment()
        running = [
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for _ in range(PROCESSES)
        ]
        outputs = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0] * PROCESSES, outputs
    reports = [json.loads(output) for output, _ in outputs]
    arrived = Counter(message.recipients[0] for message in relay.messages)
    assert arrived == Counter(people)
    assert sum(report["delivered"].get("sent", 0) for report in reports) == READERS
