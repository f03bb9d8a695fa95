"""From due to accepted: what sending everybody's digest costs, beside the fastest and the plainest way to send mail.

    .venv/bin/python benchmarks/send.py [--readers 50000] [--json]

N readers, each with topics of their own, so that each gets other papers of the sample day: 12 on average. The sources
were read and the words learned before. Then everybody is due: `digest run` as a process, start-up included, chooses,
freezes, writes and sends, on a database that syncs every commit to disk, until Postfix's smtp-sink has taken the last
message. In the same run, to the same sink:

* smtp-source   Postfix's generator, in C, pushes one of those messages again and again over as many connections
* plain         for each message an `EmailMessage` built from texts that are given, and `smtplib`'s `sendmail` over a
                connection of its own; nothing is chosen, rendered or remembered
* 20 ms         one connection through a proxy that answers 20 ms later, as a relay in another city does

`--json` measures 2 processes on PostgreSQL only. Bars: at least 0.25 of smtp-source, 5 times the plain way, and 20
messages a second over one connection at 20 ms.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import random
import resource
import smtplib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from digest.sample.papers import inventions  # noqa: E402
from tests.databases import postgresql  # noqa: E402
from tests.delays import delayed  # noqa: E402
from tests.program import a_home  # noqa: E402
from tests.smtp_servers import postfix_sink  # noqa: E402

DAY = date(2026, 2, 4)
BEFORE, DUE = "2026-02-04T05:30Z", "2026-02-04T06:00Z"
PR_SET_CHILD_SUBREAPER = 36
"""From linux/prctl.h."""
CONNECTIONS = 32
"""Of each process."""
PAUSE = 4.0
"""Seconds after which arXiv may be asked again; else the pass would wait for that first, as none does in a day."""
PICKS = 12
MOST = 17
"""Papers asked for: not everybody's topics have so many on a day."""
SOME = 400
"""Messages that are enough to time the plain way and the slow line."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a number of messages took."""

    messages: int
    seconds: float
    cpu: float
    """Seconds of CPU on our side, children included."""

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds

    def __str__(self) -> str:
        return f"{self.rate:7.0f} messages/s, {1000 * self.cpu / self.messages:6.2f} ms CPU a message"


def timed(messages: int, work: Callable[[], object]) -> Cost:
    """The cost of *work*, which runs in processes of its own."""
    others = children()
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    work()
    seconds = time.perf_counter() - start
    for orphan in children() - others:
        os.waitpid(orphan, 0)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(messages, seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def adopt() -> None:
    """Become the parent of our children's orphans: a fork server outlives its process a little, and costs CPU too."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def children() -> set[int]:
    """Ours, and those that we adopted."""
    return {process.pid for process in psutil.Process().children()}


def roster(readers: int, seed: int = 1) -> str:
    """Readers with three topics each, words that stand together in the title of some paper."""
    chance = random.Random(seed)
    titles = [[word for word in paper.title.split() if word.isalpha()] for paper in inventions()]
    titles = [words for words in titles if len(words) > 2]

    def topic() -> str:
        words = chance.choice(titles)
        start = chance.randrange(len(words) - 2)
        return json.dumps(" ".join(words[start : start + 3]))

    people = "".join(
        f"  - {{email: reader{n}@example.org, topics: [{', '.join(dict.fromkeys(topic() for _ in range(3)))}]}}\n"
        for n in range(readers)
    )
    early = '  - {email: early@example.org, at: "06:00"}\n'
    return f'defaults: {{zone: Europe/Berlin, at: "07:00", papers: {MOST}}}\nsubscribers:\n{early}{people}'


@contextmanager
def prepared(database: str, readers: int, relay: str, connections: int) -> Iterator[dict[str, str]]:
    """The environment of a program whose *readers* are due at `DUE`, and to whom nothing else remains to be done."""
    with ExitStack() as stack:
        home, environment = stack.enter_context(a_home(DAY))
        environment |= {
            "DIGEST_PUBLIC_URL": "https://digest.example.org",
            "DIGEST_SMTP_URL": relay,
            "DIGEST_SMTP_CONNECTIONS": str(connections),
        }
        if database == "postgresql":
            server = stack.enter_context(postgresql(durable=True))
            environment["DIGEST_DATABASE_URL"] = stack.enter_context(server.fresh())
        (home / "subscribers.yaml").write_text(roster(readers))
        run(environment, "run", "--at", BEFORE)
        yield environment


def run(environment: Mapping[str, str], *arguments: str) -> str:
    """`digest *arguments*`; what it printed."""
    command = [sys.executable, "-m", "digest", *arguments]
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True
    )
    return done.stdout


def whole_program(database: str, processes: int, readers: int, relay: str, connections: int = CONNECTIONS) -> Cost:
    """From due to accepted."""
    with prepared(database, readers, relay, connections) as environment:
        reports: list[str] = []
        options = ("run", "--at", DUE, "--json", "--processes", str(processes))
        time.sleep(PAUSE)
        cost = timed(readers, lambda: reports.append(run(environment, *options)))
        report = json.loads(reports[0])
    sent, picks = report["delivered"].get("sent", 0), report["planned"]["shown"] / readers
    assert sent == readers, report["line"]
    assert PICKS - 1 < picks < PICKS + 1, f"{picks} papers a digest"
    return cost


def a_message(relay: str) -> bytes:
    """One of the messages, as it goes out."""
    with prepared("sqlite", 1, relay, 1) as environment:
        options = ("--at", DUE, "--json", "--out", environment["DIGEST_HOME"])
        shown = json.loads(run(environment, "preview", "reader0@example.org", *options))
        return Path(shown["files"]["eml"]).read_bytes()


def smtp_source(relay: str, message: bytes, connections: int, messages: int) -> Cost:
    """The fastest sender that is at hand."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(message.replace(b"\r\n", b"\n"))
        file.flush()
        options = ["-d", "-s", str(connections), "-m", str(messages), "-F", file.name, relay.removeprefix("smtp://")]
        command = ["smtp-source", "-f", "digest@example.org", "-t", "reader@example.org", *options]
        path = os.environ | {"PATH": f"{os.environ['PATH']}:/usr/sbin"}
        return timed(messages, lambda: subprocess.run(command, check=True, env=path))


def plain(relay: str, message: bytes, messages: int) -> Cost:
    """The standard library as its documentation shows it."""
    given = BytesParser(policy=policy.default).parsebytes(message)
    text, html = (_content(given, kind) for kind in ("plain", "html"))
    host, port = relay.removeprefix("smtp://").split(":")

    def send_all() -> None:
        for n in range(messages):
            mail = EmailMessage()
            mail["From"], mail["To"], mail["Subject"] = given["From"], f"reader{n}@example.org", given["Subject"]
            mail.set_content(text)
            mail.add_alternative(html, subtype="html")
            with smtplib.SMTP(host, int(port)) as connection:
                connection.sendmail("digest@example.org", [str(mail["To"])], mail.as_bytes())

    return timed(messages, lambda: _in_a_process(send_all))


def _content(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    content: str = part.get_content()
    return content


def _in_a_process(work: Callable[[], None]) -> None:
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def compare(cases: Sequence[tuple[str, int]], readers: int) -> dict[str, Any]:
    """All ways to the same sink; the figures of the last case."""
    with postfix_sink(keep=False) as sink:
        message = a_message(sink.url)
        print(f"a message has {len(message)} bytes", flush=True)
        slow = plain(sink.url, message, SOME)
        print(f"{'plain':34} {slow}", flush=True)
        for database, processes in cases:
            connections = CONNECTIONS * processes
            bare = smtp_source(sink.url, message, connections, readers)
            print(f"{f'smtp-source, {connections} connections':34} {bare}", flush=True)
            cost = whole_program(database, processes, readers, sink.url)
            ratios = f"{cost.rate / bare.rate:.2f} of smtp-source, {cost.rate / slow.rate:.1f} times plain"
            print(f"{f'digest, {database}, {processes} processes':34} {cost}: {ratios}", flush=True)
        with delayed(sink.url, 0.020) as far:
            distant = whole_program("postgresql", 1, SOME, far, connections=1)
        print(f"{'digest, one connection at 20 ms':34} {distant}", flush=True)
    return {
        "messages_per_second": round(cost.rate, 1),
        "cpu_ms_per_message": round(1000 * cost.cpu / cost.messages, 2),
        "ratio_to_smtp_source": round(cost.rate / bare.rate, 3),
        "ratio_to_plain": round(cost.rate / slow.rate, 2),
        "messages_per_second_and_connection_at_20_ms": round(distant.rate, 1),
    }


def main() -> None:
    """Print the figures."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--readers", type=int, default=50_000)
    arguments.add_argument("--json", action="store_true", help="2 processes on PostgreSQL; JSON as the last line")
    given = arguments.parse_args()
    both = [("sqlite", 1), ("sqlite", 2), ("postgresql", 1), ("postgresql", 2)]
    adopt()
    found = compare(both[-1:] if given.json else both, given.readers)
    if given.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
