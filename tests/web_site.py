"""The pages without a network: a program with a sample day behind it, a clock that is set, and a browser's manners."""

from __future__ import annotations

import asyncio
import atexit
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select
from sqlalchemy.event import listen

from digest import app
from digest.sample import upstream
from digest.store.schema import metadata
from digest.subscription import Desk, letters
from digest.web import build
from digest.web.server import serving
from tests.program import Program, at, mail, part
from tests.smtp_servers import Sink, sink

PUBLIC = "https://papers.example.org"
SEVEN = "2026-02-04T06:00Z"
BROWSER = {"Sec-Fetch-Site": "same-origin"}

Fields = Mapping[str, str | Sequence[str]]


@dataclass
class Clock:
    """Stands until it is moved."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **delta: float) -> None:
        self.now += timedelta(**delta)


@dataclass
class Site:
    """The pages, the program behind them, and the relay that its mail goes to."""

    program: Program
    relay: Sink
    clock: Clock
    desk: Desk
    client: httpx.Client
    woken: list[datetime] = field(default_factory=list)
    public: str = PUBLIC

    def wait_for_mails(self, number: int, email: str = "ada@example.org") -> None:
        """Until so many are there: the daemon's thread looks every second."""
        deadline = time.monotonic() + 20
        while len(self.mails(email)) < number:
            assert time.monotonic() < deadline, f"only {len(self.mails(email))} mails came"
            time.sleep(0.05)

    def run(self) -> None:
        """One pass of the program, now."""
        app.run_once(self.program.settings, self.clock)

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.client.get(path.removeprefix(self.public), headers=headers)

    def post(self, path: str, fields: Fields | None = None, **headers: str) -> httpx.Response:
        return self.client.post(path.removeprefix(self.public), data=dict(fields or {}), headers=BROWSER | headers)

    def post_letters(self) -> None:
        """What the daemon's thread does every second."""
        letters.send(self.desk)

    def sign_up(self, email: str = "ada@example.org", **fields: str | Sequence[str]) -> httpx.Response:
        """Fill in the form as a person would, and let the mail go."""
        stamp = hidden(self.get("/").text, "stamp")
        self.clock.forward(seconds=5)
        values: dict[str, Any] = {"email": email, "topic": ["theory of mind"], "zone": "Europe/Berlin", "at": "07:00"}
        answer = self.post("/subscribe", {"stamp": stamp, "day": list(WEEK), **values, **fields})
        self.post_letters()
        return answer

    def subscribe(self, email: str = "ada@example.org", **fields: str | Sequence[str]) -> None:
        """Sign up, and press the button of the mail's page."""
        self.sign_up(email, **fields)
        assert self.post(self.link("confirm", email)).status_code == 200
        self.post_letters()

    def mails(self, email: str = "ada@example.org") -> list[str]:
        """The plain texts that were sent there, oldest first."""
        return [part(mail(m), "plain") for m in self.relay.messages if m.recipients == (email,)]

    def link(self, purpose: str, email: str = "ada@example.org", label: str = "") -> str:
        """The latest link of that purpose, behind that *label*, in the mails to *email*, as a path."""
        link = rf"{label}{self.public}(/{purpose}/\S+)"
        found = [each for text in self.mails(email) for each in re.findall(link, text)]
        assert found, f"no {purpose} link was mailed to {email}"
        return str(found[-1])

    def feedback(self, label: str = "More like this") -> str:
        """Ada's latest link behind that *label*."""
        return self.link("feedback", label=f"{label}: ")

    def dump(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of the store, but for the word statistics, which whoever needs them first learns."""
        with self.desk.parts.store.database.reading() as connection:
            return {
                table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
                for table in metadata.sorted_tables
                if table.name != "statistics"
            }


WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class _Threaded(httpx.BaseTransport):
    """ASGI for a synchronous client, so that a test reads from top to bottom."""

    def __init__(self, application: Any, client: str) -> None:
        self._transport = httpx.ASGITransport(application, client=(client, 50000))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        async def answer() -> httpx.Response:
            response = await self._transport.handle_async_request(request)
            content = await response.aread()
            return httpx.Response(response.status_code, headers=response.headers, content=content)

        return asyncio.run(answer())


@contextmanager
def site(home: Path, *, now: str = SEVEN, roster: str | None = None, **given: Any) -> Iterator[Site]:
    """The pages of an installation that has read the sample day."""
    with upstream.serve(date(2026, 2, 4)) as base, sink() as relay:
        _furnish(home, base, now)
        program = Program(home)
        if roster:
            program.roster(roster)
        program.set(huggingface_url=base, arxiv_feed_url=base, arxiv_api_url=base, smtp_url=relay.url)
        program.set(public_url=PUBLIC, **given)
        clock = Clock(at(now))
        with app.desk(program.settings, clock) as desk:
            undurable(desk)
            woken: list[datetime] = []
            application = build(desk, lambda: woken.append(clock.now), lambda: None)
            made = Site(program, relay, clock, desk, browser(application), woken)
            made.run()
            yield made


@contextmanager
def served(home: Path, *, now: str = SEVEN, **given: Any) -> Iterator[Site]:
    """The same on a real port, with the daemon's own threads; `run` is the clock's part."""
    with upstream.serve(date(2026, 2, 4)) as base, sink() as relay:
        _furnish(home, base, now)
        program, clock = Program(home), Clock(at(now))
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        public = f"http://127.0.0.1:{port}"
        program.set(huggingface_url=base, arxiv_feed_url=base, arxiv_api_url=base, smtp_url=relay.url)
        program.set(public_url=public, web_port=port, **given)
        woken: list[datetime] = []
        pages = serving(program.settings, lambda: woken.append(clock.now), lambda: None, clock)
        with pages as address, app.desk(program.settings, clock) as desk, httpx.Client(base_url=address) as client:
            yield Site(program, relay, clock, desk, client, woken, public)


def undurable(desk: Desk) -> None:
    """Do not wait for the disk: that what is written stays written is tested with the store."""

    def hurry(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA synchronous=OFF")

    listen(desk.parts.store.database.engine, "connect", hurry)
    desk.parts.store.database.engine.dispose()


_furnished: dict[str, Path] = {}


def _furnish(home: Path, base: str, now: str) -> None:
    """Put a store that has read the sample day and learned its words into *home*; read once for all tests."""
    if now not in _furnished:
        _furnished[now] = Path(tempfile.mkdtemp(prefix="digest-test-"))
        atexit.register(shutil.rmtree, _furnished[now], ignore_errors=True)
        program = Program(_furnished[now])
        program.set(huggingface_url=base, arxiv_feed_url=base, arxiv_api_url=base, public_url=PUBLIC)
        app.run_once(program.settings, Clock(at(now)))
        with app.desk(program.settings, Clock(at(now))) as desk:
            desk.days.today()
    if not (home / "var").exists():
        shutil.copytree(_furnished[now], home, dirs_exist_ok=True)


def browser(application: Any, client: str = "203.0.113.9") -> httpx.Client:
    """A client at that address."""
    return httpx.Client(transport=_Threaded(application, client), base_url=PUBLIC)


def hidden(page: str, name: str) -> str:
    """The value of a hidden field."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, f"no field {name}"
    return unescape(found[1])
