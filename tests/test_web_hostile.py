"""Strangers: whatever they send, no page breaks, nothing they typed becomes markup, and nothing they read changes."""

from __future__ import annotations

import html
import os
import re
import socket
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.routing import Route

from digest.compose import Verb
from digest.models import Listing, Profile
from digest.subscription import signup
from digest.web import feedback, joining, leaving, reading, tuning, visit, watching
from tests.program import mail, part
from tests.web_site import BROWSER, PUBLIC, Site, served, site

ADA, BO = "ada@example.org", "bo@example.org"
"""Bo's are the links that end a subscription or delete a person, so that Ada's pages stay to be tried."""
MARKUP = "\"><script>alert(1)</script>'{{7*7}}<img src=x onerror=alert(2)>"


@pytest.fixture(scope="module")
def pages() -> Iterator[Site]:
    """Ada is subscribed, has said something of a paper, and has a digest."""
    with tempfile.TemporaryDirectory() as home, site(Path(home), operator_token="a long token") as opened:
        opened.subscribe(ADA)
        opened.run()
        opened.post(opened.feedback(), {"word": "save"})
        yield opened


@pytest.fixture(scope="module")
def routes(pages: Site) -> list[str]:
    """Every path with genuine signatures where one is needed."""
    house = visit.House(pages.desk, None, lambda: None, lambda: None)  # type: ignore[arg-type]
    found = [each.path for part_ in PARTS for each in part_.routes(house) if isinstance(each, Route)]
    assert len(found) > 35
    return [genuine(pages, path) for path in found]


PARTS = (joining, tuning, leaving, feedback, reading, watching)


def genuine(pages: Site, path: str) -> str:
    links, issue = pages.desk.links, pages.clock.now.date()
    token, victim = (pages.desk.tokens_of(email)[0] for email in (ADA, BO))
    paper = next(iter(pages.desk.parts.store.papers.newest(1))).id
    signed = {
        "confirm": links.confirm(token, pages.clock.now),
        "not-me": links.not_me(victim),
        "preferences": links.preferences(victim if path.endswith("/erase") else token, pages.clock.now),
        "unsubscribe": links.unsubscribe(victim),
        "feedback": links.feedback(token, issue, paper, Verb.MORE),
        "issue": links.webview(token, issue),
        "archive": links.archive(token),
    }
    first = path.split("/")[1]
    if "{signed}" in path:
        path = path.replace("{signed}", signed[first].rsplit("/", 1)[1])
    return path.replace("{day}", issue.isoformat()).replace("{name}", "digest.css")


ODD = (MARKUP, "\x00", "\r\nBcc: x@example.org", "../../etc/passwd", "9" * 500, "𝕏" * 200, "\ud7ff", "%00", "{{7*7}}")
TEXT = st.one_of(st.text(max_size=60), st.sampled_from(ODD))
NAMES = [
    "authors",
    "at",
    "categories",
    "choice",
    "day",
    "disliked",
    "email",
    "hide",
    "language",
    "liked",
    "mute",
    "mute_authors",
    "page",
    "paper",
    "papers",
    "receipt",
    "show",
    "stamp",
    "sure",
    "topic",
    "until",
    "website",
    "weight",
    "word",
    "zone",
]
FORMS = st.dictionaries(st.sampled_from(NAMES), st.lists(TEXT, max_size=3), max_size=8)


PURPOSES = ("confirm", "unsubscribe", "preferences", "feedback", "issue", "archive", "trending", "static")
KINDS = ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/xml", "")
CHARSETS = ("undefined", "punycode", "idna", "unicode_escape", "raw_unicode_escape", "utf-7", "utf-16", "hex", "a\0b")
"""Python knows most of them; some are none of text, and some decode to what is none."""


def harmless(answer: httpx.Response) -> None:
    assert answer.status_code < 500 or answer.status_code == 503, answer.text[:500]
    assert "Traceback" not in answer.text
    assert "<script>alert" not in answer.text
    assert "<img src=x" not in answer.text
    assert "set-cookie" not in answer.headers
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


def bo_subscribes(pages: Site) -> None:
    """Whatever became of him."""
    store, token = pages.desk.parts.store, pages.desk.tokens_of(BO)[0]
    store.readers.erase(token)
    store.suppressions.lift([token], ["erased", "not me"])
    store.subscribers.add(Profile(BO), pages.clock.now)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), form=FORMS)
def test_no_form_breaks_a_page(pages: Site, routes: list[str], data: Any, form: dict[str, list[str]]) -> None:
    path = data.draw(st.sampled_from(routes))
    method = data.draw(st.sampled_from(["POST", "POST", "GET"]))
    if method == "GET":
        harmless(pages.client.get(path, params=form))
        return
    values = {name: [v.encode("utf-8", "surrogatepass") for v in each] for name, each in form.items()}
    pages.clock.forward(seconds=7)
    bo_subscribes(pages)
    answer = pages.client.post(path, data=values, headers=BROWSER)
    harmless(answer)
    if path.endswith("/erase"):
        gone = pages.desk.parts.store.subscribers.get(BO) is None
        assert (gone, answer.status_code) in {(True, 200), (False, 422), (False, 400)}, "deleted if, and only if, sure"


@pytest.mark.parametrize("sure", ["", "1", MARKUP, "\x00"])
def test_nobody_is_deleted_without_the_box_ticked(pages: Site, routes: list[str], sure: str) -> None:
    erase = next(path for path in routes if path.endswith("/erase"))
    bo_subscribes(pages)
    harmless(pages.post(erase, {"sure": sure, "never": MARKUP}))
    assert (pages.desk.parts.store.subscribers.get(BO) is None) is (sure in {"1", MARKUP})
    assert pages.desk.parts.store.subscribers.get(ADA)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(purpose=st.sampled_from(PURPOSES), signed=TEXT, kind=st.sampled_from(KINDS), body=st.binary(max_size=300))
def test_no_address_and_no_body_breaks_a_page(pages: Site, purpose: str, signed: str, kind: str, body: bytes) -> None:
    path = f"/{purpose}/{quote(signed.encode('utf-8', 'surrogatepass'))}"
    harmless(pages.client.get(path))
    harmless(pages.client.post(path, content=body, headers=BROWSER | {"Content-Type": kind}))


@pytest.mark.parametrize("charset", CHARSETS)
@pytest.mark.parametrize("path", ["/subscribe", "/preview", "/link"])
def test_no_charset_breaks_a_page(pages: Site, path: str, charset: str) -> None:
    lines = ("--x", 'Content-Disposition: form-data; name="topic"', "", "\\ud800 \\x00 xn--\xff", "--x--", "")
    kind = f"multipart/form-data; boundary=x; charset={charset}"
    body = "\r\n".join(lines).encode("latin-1")
    harmless(pages.client.post(path, content=body, headers=BROWSER | {"Content-Type": kind}))


@pytest.mark.parametrize("paper", ["\ud800", "\x00", "9901.00015\x00", "a\nb", "x" * 5000, ""])
def test_the_unsigned_end_of_a_link_breaks_nothing(pages: Site, paper: str) -> None:
    link = pages.desk.links.feedback(pages.desk.tokens_of(ADA)[0], pages.clock.now.date(), paper, Verb.MORE)
    for answer in (pages.get(link), pages.post(link, {"word": "more"})):
        harmless(answer)


@pytest.mark.parametrize("path", ["/operator", "/metrics"])
def test_no_password_breaks_a_page(pages: Site, path: str) -> None:
    for given_ in (b"Basic \xe9", b"Basic 4pyT", b"Basic =", b"Bearer \xe9", b"Basic"):
        assert pages.client.get(path, headers={b"Authorization": given_}).status_code in {401, 404}


def test_the_host_header_sends_nobody_anywhere(pages: Site, routes: list[str]) -> None:
    """A path that ends in a slash is no page; it used to be redirected to the host of the request, links and all."""
    for path in [*routes[1:], "//evil.example/trending"]:
        answer = pages.client.get(f"{path}/", headers={"Host": "evil.example"})
        assert answer.status_code in {404, 410}, path
        assert "evil.example" not in repr(answer.headers) + answer.text, path


def test_a_method_that_does_not_work_is_told_which_one_does(pages: Site) -> None:
    answer = pages.client.request("PUT", "/subscribe", headers=BROWSER)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_who_sends_half_a_form_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is a connection that broke a failure of ours: no trace of it in the log."""
    monkeypatch.setattr(visit, "PATIENCE", 0.3)
    head = ("POST /link HTTP/1.1", "Host: x", f"Content-Type: {KINDS[0]}", "Content-Length: 99", "", "email=")
    half = "\r\n".join(head).encode()
    with served(tmp_path) as pages, structlog.testing.capture_logs() as logs:
        address = ("127.0.0.1", pages.program.settings.web_port)
        with socket.create_connection(address, timeout=10) as slow:
            slow.sendall(half)
            assert slow.recv(1000).startswith(b"HTTP/1.1 408")
        with socket.create_connection(address) as broken:
            broken.sendall(half)
        deadline = time.monotonic() + 10
        while len(logs) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
    assert [entry["status"] for entry in logs if entry["event"] == "request"] == [408, 408]


def test_what_was_typed_comes_back_escaped(pages: Site) -> None:
    answer = pages.post("/preview", {"topic": [MARKUP], "zone": MARKUP, "day": ["mon"]})
    harmless(answer)
    assert html.escape(MARKUP, quote=False)[:12] in answer.text.replace("&#34;", '"')


def test_names_and_topics_stay_text_in_every_sentence(pages: Site) -> None:
    """They are put into translated sentences that hold markup of their own."""
    paper = replace(
        next(iter(pages.desk.parts.store.papers.newest(1))), id="9901.99999", title=MARKUP, authors=(MARKUP,)
    )
    pages.desk.parts.store.papers.add([Listing("arxiv", paper, pages.clock.now)], pages.clock.now)
    pages.clock.forward(hours=1)
    pages.sign_up("mark@example.org", topic=[MARKUP, "b"], liked=["9901.99999", MARKUP])
    answers = [pages.post(pages.link("confirm", "mark@example.org"))]
    token, day = pages.desk.tokens_of("mark@example.org")[0], pages.clock.now.date()
    link = pages.desk.links.feedback(token, day, "9901.99999", Verb.HIDE)
    said = [{"word": word} for word in ("more", "less", "none", "save", "unsave")]
    answers += [pages.get(link), *(pages.post(link, form) for form in (*said, {"hide": MARKUP}, {"show": MARKUP}))]
    answers += [pages.get(pages.desk.links.preferences(token)), pages.post("/preview", {"topic": MARKUP, "day": "mon"})]
    for answer in answers:
        harmless(answer)
        assert answer.status_code == 200
        assert "&lt;script&gt;alert(1)" in answer.text


def test_every_answer_carries_the_headers(pages: Site, routes: list[str]) -> None:
    for path in [*routes, "/nowhere", "/confirm/x"]:
        answer = pages.get(path)
        assert answer.headers["referrer-policy"] == "no-referrer", path
        assert answer.headers["x-content-type-options"] == "nosniff", path
        assert "unsafe" not in answer.headers["content-security-policy"], path
        assert "max-age" in answer.headers["strict-transport-security"], path
        if re.search(r"/[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{22}", path):
            assert answer.headers["cache-control"] == "no-store", path
            assert "noindex" in answer.headers["x-robots-tag"], path


def test_no_page_needs_a_script_or_a_style_of_its_own(pages: Site, routes: list[str]) -> None:
    for path in routes:
        text = pages.get(path).text
        assert not re.search(r"<script(?![^>]* src=)|\sstyle=|\son[a-z]+=|javascript:", text), path


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "null"}, 422),
        ({"Origin": PUBLIC}, 422),
        ({}, 422),
    ],
)
def test_a_form_of_another_site_is_refused(pages: Site, headers: dict[str, str], status: int) -> None:
    assert pages.client.post("/subscribe", data={"email": ADA}, headers=headers).status_code == status


def test_a_body_beyond_any_honest_form_is_refused(pages: Site) -> None:
    answer = pages.client.post("/subscribe", content=b"x" * 70_000, headers=BROWSER)
    assert answer.status_code == 413
    assert "The form was larger than any honest one." in answer.text


def test_json_is_no_way_around_the_form(pages: Site) -> None:
    seen = pages.desk.parts.store.letters.count()
    answer = pages.client.post("/subscribe", json={"email": "victim@example.org"}, headers=BROWSER)
    assert answer.status_code == 422
    assert pages.desk.parts.store.letters.count() == seen


def test_no_token_and_no_address_is_logged(pages: Site, routes: list[str]) -> None:
    with structlog.testing.capture_logs() as logs:
        for path in routes:
            pages.get(path)
        pages.post("/subscribe", {"email": ADA, "day": "mon"})
        pages.get("/unsubscribe/not-a-genuine.signature")
    said = repr(logs)
    assert len(logs) > len(routes)
    assert ADA not in said
    assert pages.desk.tokens_of(ADA)[0] not in said
    assert not re.search(r"[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{22}", said)
    assert "not-a-genuine" not in said


def test_a_scanner_that_opens_every_link_twice_in_parallel_changes_nothing(pages: Site) -> None:
    """Every link of every mail, both parts, and whatever the headers name; HEAD and GET, eight at a time."""
    text = "".join(
        part(mail(m), kind) + str(mail(m).items()) for m in pages.relay.messages for kind in ("plain", "html")
    )
    links = sorted({html.unescape(link) for link in re.findall(rf'{PUBLIC}(/[^\s"<>]*)', text)})
    assert len(links) > 20
    before = pages.dump()
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda job: pages.client.request(*job), [(m, x) for x in links for m in ("HEAD", "GET")] * 2)
        )
    assert {answer.status_code for answer in answers} <= {200, 410}
    assert pages.dump() == before


BURST = int(os.environ.get("BURST", "1000"))
"""The fewer that every run makes pass the same limits; docs/web.md has the figures of 10,000."""


@pytest.mark.parametrize(
    ("network", "most"), [("203.0.113.{0}", signup.PER_NETWORK[0]), ("{1}.{0}.0.7", signup.OVERALL[0])]
)
def test_a_burst_of_sign_ups_stays_within_the_caps_and_others_are_served(
    tmp_path: Path, network: str, most: int
) -> None:
    """From one network, and from many; the proxy in front says who asks."""
    with served(tmp_path, proxies="127.0.0.1") as pages:
        stamp = pages.desk.seal.stamp("sign-up", pages.clock.now)
        pages.clock.forward(seconds=30)
        fields = {"stamp": stamp, "day": "mon", "zone": "UTC", "at": "07:00"}

        def burst(first: int) -> list[int]:
            with httpx.Client(base_url=pages.public, headers=BROWSER, timeout=60) as client:
                return [
                    client.post(
                        "/subscribe",
                        data=fields | {"email": f"v{i}@d{i % 500}.example"},
                        headers={"X-Forwarded-For": network.format(i % 250, i // 250 % 200 + 1)},
                    ).status_code
                    for i in range(first, BURST, 8)
                ]

        with ThreadPoolExecutor(8) as pool:
            floods = [pool.submit(burst, start) for start in range(8)]
            others = []
            while not all(flood.done() for flood in floods):
                others += [pages.client.get(path) for path in ("/healthz", "/privacy", "/")]
            answers = [status for flood in floods for status in flood.result()]
        assert len(answers) == BURST
        assert set(answers) == {200, 429}
        assert answers.count(200) == most
        assert len(others) > 10
        assert {other.status_code for other in others} == {200}
        waits = sorted(other.elapsed.total_seconds() for other in others)
        shown = [f"{waits[int(share * (len(waits) - 1))] * 1000:.0f} ms" for share in (0.5, 0.99, 1)]
        print(f"{BURST} forms, {most} taken; {len(others)} other pages meanwhile: median, 99 %, slowest {shown}")  # noqa: T201
        deadline = time.monotonic() + 60
        while pages.desk.parts.store.letters.count() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert len(pages.relay.messages) == most
