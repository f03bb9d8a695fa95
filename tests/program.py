"""The program as its operator runs it, in a folder of its own, against upstreams and an SMTP server on loopback."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from digest import app
from digest.pipeline import Report
from digest.sample import upstream
from digest.settings import Settings, load
from tests.smtp_servers import Received


@dataclass
class Program:
    """A home folder with settings; `run` is one pass at a given moment."""

    home: Path
    given: dict[str, Any] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        return load({"DIGEST_HOME": str(self.home)}, **self.given)

    def set(self, **given: Any) -> None:
        self.given |= given

    def roster(self, text: str) -> None:
        (self.home / "subscribers.yaml").write_text(text)

    def run(self, moment: str, **options: Any) -> Report:
        return app.run_once(self.settings, app.clock_at(at(moment)), **options)

    def preview(self, email: str, moment: str) -> app.Preview:
        return app.preview(self.settings, email, app.clock_at(at(moment)))

    def environment(self) -> dict[str, str]:
        """The same settings as variables, for a process."""
        named = {f"DIGEST_{name.upper()}": str(value) for name, value in self.given.items()}
        return {"DIGEST_HOME": str(self.home), **named}


@contextmanager
def a_home(day: date) -> Iterator[tuple[Path, dict[str, str]]]:
    """An empty home folder, and the environment of a process that lives there and reads the sample day."""
    with TemporaryDirectory() as folder, upstream.serve(day) as base:
        sources = dict.fromkeys(("huggingface_url", "arxiv_feed_url", "arxiv_api_url"), base)
        program = Program(Path(folder), sources)
        yield program.home, os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])} | program.environment()


def at(moment: str) -> datetime:
    """ "2026-02-04T07:00Z"."""
    return datetime.fromisoformat(moment)


def mail(received: Received | bytes) -> EmailMessage:
    """A message as a reader's program understands it; fails on any defect."""
    data = received.data if isinstance(received, Received) else received
    message = BytesParser(policy=policy.default).parsebytes(data)
    defects = [defect for part in message.walk() for defect in part.defects]
    assert not defects, defects
    assert isinstance(message, EmailMessage)
    return message


def part(message: EmailMessage, kind: str) -> str:
    """The text of the `plain` or `html` alternative."""
    body = message.get_body((kind,))
    assert body is not None
    content: str = body.get_content()
    return content


ROSTER = """
defaults: {zone: Europe/Berlin, at: "07:00", papers: 8}
subscribers:
  - email: ada@example.org
    name: Ada
    topics: [theory of mind in language models, {topic: attention mechanisms, weight: 2}]
    mute: [survey]
  - email: lin@example.org
    topics: [diffusion models for video, robot manipulation]
    authors: [Mira Okonkwo]
  - email: sam@example.org
    name: Sam
"""


def entries(*emails: str, **shared: Any) -> str:
    """A roster of people without a wish but what *shared* says."""
    fields: Mapping[str, Any] = shared
    rest = "".join(f", {key}: {value}" for key, value in fields.items())
    return "subscribers:\n" + "".join(f"  - {{email: {email}{rest}}}\n" for email in emails)
