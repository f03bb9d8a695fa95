"""What a spam filter says of a real digest: SpamAssassin's local rules, without the network."""

from __future__ import annotations

import re
import subprocess
from datetime import date
from pathlib import Path

import pytest

from digest.sample import upstream
from tests.program import Program

pytestmark = pytest.mark.spam

LIMIT = 1.0
"""SpamAssassin calls it spam from 5.0 on."""


def test_a_digest_scores_as_ham(tmp_path: Path) -> None:
    program = Program(tmp_path)
    program.roster((Path(__file__).parents[1] / "subscribers.yaml").read_text())
    program.set(sender="Paper Digest <digest@papers.example.org>", public_url="https://papers.example.org")
    with upstream.serve(date(2026, 2, 4)) as base:
        program.set(huggingface_url=base, arxiv_feed_url=base, arxiv_api_url=base)
        message = program.preview("ada@example.org", "2026-02-04T15:30Z").written.message
    command = ["spamassassin", "--local", "--test-mode", "--siteconfigpath", "/etc/spamassassin"]
    judged = subprocess.run(command, input=message.data, capture_output=True, timeout=120, check=True).stdout.decode()
    status = re.search(r"X-Spam-Status: \w+, score=(-?[0-9.]+)", judged)
    assert status, judged[:2000]
    assert float(status[1]) < LIMIT, judged[-2000:]
