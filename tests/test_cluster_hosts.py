"""A cluster on several hosts: database and two workers, each with an address of its own, on a network that fails."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from urllib.parse import urlsplit

import pytest

from digest.store.engine import LINE
from tests.clusters import CONNECTIONS, a_program, process, reckon, rows
from tests.databases import postgresql
from tests.kills import slow_down
from tests.lines import line, tcp
from tests.networks import Network, network
from tests.program import Program
from tests.smtp_servers import Sink, sink

pytestmark = [pytest.mark.pg, pytest.mark.netns]

READERS = 400
GIVEN_UP = int(LINE["tcp_user_timeout"]) / 1000
"""Seconds after which a connection over a link that is down is lost."""


@dataclass(frozen=True)
class Site:
    """The hosts, and what the program on them is told."""

    network: Network
    program: Program
    relay: Sink
    over_there: dict[str, str]
    """Settings of a worker, which knows all others by address."""

    def worker(self, host: str) -> AbstractContextManager[Popen[bytes]]:
        return process(self.program, "worker", inside=self.network.inside(host), other=self.over_there)

    def connected(self) -> set[str]:
        """Addresses from which somebody is connected to the database."""
        query = "SELECT DISTINCT host(client_addr) FROM pg_stat_activity WHERE datname = current_database()"
        return {address for (address,) in rows(self.program, query)} - {None}

    def states(self) -> Counter[str]:
        return Counter(dict(rows(self.program, "SELECT state, count(*) FROM deliveries GROUP BY 1")))

    def wait_until_arrived(self, number: int, seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while len(self.relay.messages) < number:
            assert time.monotonic() < deadline, (self.program.home / "log").read_text()[-5000:]
            time.sleep(0.05)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with (
        network("db", "one", "two") as hosts,
        postgresql(address=hosts.addresses["db"], inside=hosts.inside("db")) as server,
        sink() as relay,
        a_program(server, relay, READERS, tmp_path) as program,
        line(tcp("127.0.0.1", relay.port), hosts.here) as to_relay,
        line(tcp("127.0.0.1", urlsplit(program.given["huggingface_url"]).port or 0), hosts.here) as to_sources,
    ):
        slow_down(relay)
        program.set(unknown="hold")
        database = program.given["database_url"].partition("@/")[2].partition("?")[0]
        sources = f"http://{hosts.here}:{to_sources.port}"
        over_there = dict.fromkeys(("huggingface_url", "arxiv_feed_url", "arxiv_api_url"), sources)
        over_there["database_url"] = f"postgresql://postgres@{hosts.addresses['db']}/{database}"
        over_there["smtp_url"] = f"smtp://{hosts.here}:{to_relay.port}?tls=none"
        yield Site(hosts, program, relay, over_there)


def test_two_hosts_share_a_send(site: Site) -> None:
    with site.worker("one") as one, site.worker("two") as two:
        site.wait_until_arrived(READERS // 4)
        assert site.connected() == {site.network.addresses["one"], site.network.addresses["two"]}
        site.wait_until_arrived(READERS)
        for process_ in (one, two):
            process_.terminate()
            assert process_.wait(60) == 0
    toll = reckon(site.program, site.relay, READERS, Counter(), 0)
    assert (toll.lost, toll.repeated, toll.unsettled, toll.unknown) == (0, 0, 0, 0)


def test_one_host_is_cut_off_and_the_other_killed(site: Site) -> None:
    """Nobody is left; whoever was cut off goes on when its link is back, with what it had in hand and all the rest."""
    with site.worker("one") as one, site.worker("two") as two:
        site.wait_until_arrived(READERS // 4)
        site.network.unplug("one")
        site.wait_until_arrived(READERS // 2)
        two.kill()
        time.sleep(GIVEN_UP + 5)
        assert len(site.relay.messages) < READERS
        assert one.poll() is None
        site.network.plug("one")
        deadline = time.monotonic() + 180
        while site.states()["sent"] < READERS - 20 * CONNECTIONS - CONNECTIONS or site.states()["planned"]:
            assert time.monotonic() < deadline, (site.program.home / "log").read_text()[-5000:]
            time.sleep(0.2)
        assert site.connected() == {site.network.addresses["one"]}
        one.terminate()
        assert one.wait(60) == 0
    toll = reckon(site.program, site.relay, READERS, site.states(), 0)
    assert (toll.lost, toll.repeated, toll.unsettled) == (0, 0, 0), toll.states
    assert toll.unknown <= CONNECTIONS, "more than the killed one had on the wire"
