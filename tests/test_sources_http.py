"""The polite client, against a real server on loopback."""

from __future__ import annotations

import gzip

import pytest

from digest.errors import SourceError
from digest.sources.http import Client, Limits, Traffic
from tests.data.sources.upstream import Reply, serving

QUICK = Limits(connect=1, read=0.3, total=0.6, size=100_000, retries=1, backoff=0, longest_wait=2)
ONCE = Limits(connect=1, read=0.3, total=0.6, size=100_000, retries=0, backoff=0, longest_wait=2)


class Memory:
    def __init__(self) -> None:
        self.kept: dict[str, tuple[str, str]] = {}

    def get(self, url: str) -> tuple[str, str] | None:
        return self.kept.get(url)

    def put(self, url: str, etag: str, last_modified: str) -> None:
        self.kept[url] = (etag, last_modified)


def test_it_says_who_asks_and_what_it_can_unpack() -> None:
    with serving(Reply(b"papers")) as upstream, Client("mailto:ops@example.org") as client:
        client.get(upstream.url, traffic=Traffic())
    assert upstream.headers[0]["user-agent"].startswith("digest/")
    assert upstream.headers[0]["user-agent"].endswith(" (+mailto:ops@example.org)")
    assert upstream.headers[0]["accept-encoding"] == "gzip"


def test_an_answer_is_asked_again_in_full_until_it_was_remembered() -> None:
    memory = Memory()
    reply = Reply(b"papers", headers={"ETag": '"7"', "Last-Modified": "Wed, 04 Feb 2026 05:00:00 GMT"})
    with serving(reply) as upstream, Client(validators=memory) as client:
        answer = client.get(upstream.url, traffic=Traffic())
        client.get(upstream.url, traffic=Traffic())
        assert answer.validator
        client.remember([answer.validator])
        upstream.script = [Reply(status=304)]
        assert client.get(upstream.url, traffic=Traffic()).not_modified
        client.get(upstream.url, traffic=Traffic(), remembered=False)
    asked = [headers.get("if-none-match") for headers in upstream.headers]
    assert asked == [None, None, '"7"', None]
    assert upstream.headers[2]["if-modified-since"] == "Wed, 04 Feb 2026 05:00:00 GMT"


@pytest.mark.parametrize(
    "trouble", [Reply(status=500), Reply(status=429), Reply(hang_up=True), Reply(b"x" * 99, cut=9)]
)
def test_passing_trouble_is_sat_out(trouble: Reply) -> None:
    traffic = Traffic()
    with serving(trouble, Reply(b"papers")) as upstream, Client(limits=QUICK) as client:
        answer = client.get(upstream.url, traffic=traffic)
    assert (answer.body, answer.problem, traffic.requests) == (b"papers", "", 2)


def test_retry_after_is_honoured_and_counted_as_waiting() -> None:
    traffic = Traffic()
    busy = Reply(status=503, headers={"Retry-After": "1"})
    with serving(busy, Reply(b"papers")) as upstream, Client(limits=QUICK) as client:
        assert client.get(upstream.url, traffic=traffic).body == b"papers"
    assert 1 <= traffic.waited < 2


def test_an_upstream_that_asks_for_an_hour_is_left_alone() -> None:
    busy = Reply(status=429, headers={"Retry-After": "3600"})
    with (
        serving(busy) as upstream,
        Client(limits=QUICK) as client,
        pytest.raises(SourceError, match="answered 429 Too Many Requests and asks to wait for 60 minutes"),
    ):
        client.get(upstream.url, traffic=Traffic())
    assert len(upstream.asked) == 1


BOMB = gzip.compress(bytes(20_000_000), 9)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(status=503), "answered 503 Service Unavailable"),
        (Reply(status=404), "answered 404 Not Found"),
        (Reply(hang_up=True), "hung up without an answer"),
        (Reply(b"x", silence=0.8), "timed out after 0.3 s"),
        (Reply(b"x" * 100_001), "answered with more than 100,000 bytes"),
        (Reply(BOMB, headers={"Content-Encoding": "gzip"}), "answered with more than 100,000 bytes"),
        (Reply(b"x", headers={"Content-Encoding": "br"}), "answered in a compression that was not asked for"),
        (Reply(b"not gzip at all", headers={"Content-Encoding": "gzip"}), "cut off after 0 bytes"),
        (Reply(status=302, headers={"Location": "/again"}), "redirected too often"),
        (
            Reply(status=302, headers={"Location": "file:///etc/passwd"}),
            "redirected to an address that is not encrypted",
        ),
    ],
)
def test_every_failure_has_a_short_reason_without_the_address(reply: Reply, reason: str) -> None:
    with serving(reply) as upstream, Client(limits=ONCE) as client, pytest.raises(SourceError) as failure:
        client.get(f"{upstream.url}/feed?token=s3cret", traffic=Traffic())
    assert str(failure.value) == reason


def test_a_dead_port_is_a_reason_too() -> None:
    with serving(Reply()) as upstream:
        pass
    with Client(limits=ONCE) as client, pytest.raises(SourceError, match=r"^could not be reached$"):
        client.get(upstream.url, traffic=Traffic())


@pytest.mark.parametrize("url", ["ftp://example.org/feed", "http://a\x07b", "no address", f"http://{'a' * 70}.invalid"])
def test_what_is_no_web_address_is_a_reason_too(url: str) -> None:
    with Client(limits=ONCE) as client, pytest.raises(SourceError, match="not a web address"):
        client.get(url, traffic=Traffic())


def test_a_body_that_breaks_off_is_kept_with_the_reason() -> None:
    with serving(Reply(b"a" * 5000, cut=1234, headers={"ETag": '"7"'})) as upstream, Client(limits=QUICK) as client:
        traffic = Traffic()
        answer = client.get(upstream.url, traffic=traffic)
    assert (answer.body, answer.problem, answer.validator) == (b"a" * 1234, "cut off after 1,234 bytes", None)
    assert traffic.bytes == 1234
    assert len(upstream.asked) == 2


def test_a_packed_body_that_breaks_off_is_kept_as_far_as_it_unpacks() -> None:
    body = gzip.compress(bytes(range(256)) * 200, 0)
    with (
        serving(Reply(body, cut=40_000, headers={"Content-Encoding": "gzip"})) as upstream,
        Client(limits=ONCE) as client,
    ):
        answer = client.get(upstream.url, traffic=Traffic())
    assert answer.body == (bytes(range(256)) * 200)[: len(answer.body)]
    assert len(answer.body) > 30_000
    assert answer.problem.startswith("cut off after")


def test_a_body_that_drips_is_given_up_in_the_end() -> None:
    with serving(Reply(b"abc" * 100, drip=0.05)) as upstream, Client(limits=ONCE) as client:
        answer = client.get(upstream.url, traffic=Traffic())
    assert answer.problem == "timed out after 0.6 s"
    assert b"abc" * 2 in answer.body


def test_a_body_unpacks_to_what_was_packed() -> None:
    body = b"paper " * 10_000
    with serving(Reply(gzip.compress(body), headers={"Content-Encoding": "gzip"})) as upstream, Client() as client:
        traffic = Traffic()
        assert client.get(upstream.url, traffic=traffic).body == body
    assert traffic.bytes == len(body)


def test_redirects_are_followed_and_counted() -> None:
    traffic = Traffic()
    with serving(Reply(status=301, headers={"Location": "/new"}), Reply(b"papers")) as upstream, Client() as client:
        assert client.get(upstream.url, traffic=traffic).body == b"papers"
    assert upstream.asked == ["/", "/new"]
    assert traffic.requests == 2


def test_every_attempt_waits_its_turn() -> None:
    turns: list[tuple[str, float]] = []
    with (
        serving(Reply(status=500), Reply(b"papers")) as upstream,
        Client(pace=lambda *turn: turns.append(turn), limits=QUICK) as client,
    ):
        client.get(upstream.url, traffic=Traffic(), pace=("arxiv", 3.0))
        client.get(upstream.url, traffic=Traffic())
    assert turns == [("arxiv", 3.0)] * 2


def test_the_shell_s_proxy_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with serving(Reply(b"papers")) as upstream, Client(limits=ONCE) as client:
        assert client.get(upstream.url, traffic=Traffic()).body == b"papers"
