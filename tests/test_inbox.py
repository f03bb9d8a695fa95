"""The local mailbox in the browser: what it shows, and what it never runs."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from digest import app, inbox
from digest.errors import UsageError
from digest.inbox.mails import LONGEST_TEXT, read
from digest.models import Message
from digest.settings import Settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HOSTILE = """<!doctype html><html><head><title>Hostile</title></head><body>
<h1 id="title">A digest</h1>
<a id="link" href="https://papers.invalid/1">paper</a>
<img src="x" onerror="parent.document.title='pwned'">
<form action="/"><button id="send">send</button></form>
<script>document.getElementById('title').textContent = 'pwned'; top.document.title = 'pwned';</script>
<p style="height: 3000px">long</p>
</body></html>"""


def keep(settings: Settings, data: bytes, recipient: str = "ada@example.org") -> str:
    """Put a mail into the mailbox; returns its key."""
    reply = app.mailbox(settings).send(Message("digest@localhost", recipient, data), lambda: None)
    return reply.rpartition(" ")[2]


def a_mail(subject: str = "A digest", html: str = HOSTILE, text: str = "as text", to: str = "ada@example.org") -> bytes:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, "Paper Digest <digest@localhost>", to
    message["Date"] = "Wed, 04 Feb 2026 12:00:00 +0000"
    message.set_content(text)
    message.add_alternative(html, subtype="html")
    return bytes(message)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


@pytest.fixture
def client(settings: Settings) -> Iterator[httpx.Client]:
    with inbox.running(settings) as address, httpx.Client(base_url=address, trust_env=False, timeout=60) as client:
        yield client


# ---- the list --------------------------------------------------------------------------------------------------------


def test_the_newest_mail_comes_first(settings: Settings, client: httpx.Client) -> None:
    for number, (subject, to) in enumerate([("older", "Ada <ada@example.org>"), ("newer", "lin@example.org")]):
        key = keep(settings, a_mail(subject, to=to))
        os.utime(settings.home / "var" / "mailbox" / "new" / key, (1_770_000_000 + number,) * 2)
    page = client.get("/").text
    assert page.index("newer") < page.index("older")
    assert "Ada &lt;ada@example.org&gt;" in page
    assert "<title>Inbox (2)</title>" in page


def test_an_empty_mailbox_says_what_to_do(client: httpx.Client) -> None:
    page = client.get("/").text
    assert "No mail yet" in page
    assert "digest run" in page


def test_with_a_relay_an_empty_mailbox_says_where_the_mail_went(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, smtp_url="smtp://mail.example.org:587")
    with inbox.running(settings) as address:
        page = httpx.get(address, trust_env=False).text
    assert "DIGEST_SMTP_URL" in page
    assert "mail.example.org" not in page


# ---- one mail --------------------------------------------------------------------------------------------------------


def test_a_mail_is_shown_as_html_text_headers_and_source(settings: Settings, client: httpx.Client) -> None:
    data = a_mail("Grüße & <b>", text="plain words & <i>")
    key = keep(settings, data)
    page = client.get(f"/mails/{key}").text
    assert "Grüße &amp; &lt;b&gt;" in page
    assert f'src="/mails/{key}/body.html"' in page
    assert "plain words &amp; &lt;i&gt;" in client.get(f"/mails/{key}/text").text
    assert "<dt>Date</dt><dd>Wed, 04 Feb 2026 12:00:00 +0000</dd>" in client.get(f"/mails/{key}/headers").text
    source = client.get(f"/mails/{key}/source")
    assert (source.content, source.headers["content-type"]) == (data, "text/plain; charset=utf-8")
    download = client.get(f"/mails/{key}/mail.eml")
    assert (download.content, download.headers["content-type"]) == (data, "message/rfc822")
    assert download.headers["content-disposition"] == f'attachment; filename="{key}.eml"'


def test_a_mail_without_html_shows_its_text(settings: Settings, client: httpx.Client) -> None:
    key = keep(settings, b"Subject: plain\r\n\r\nonly words\r\n")
    page = client.get(f"/mails/{key}").text
    assert "only words" in page
    assert "<iframe" not in page
    assert client.get(f"/mails/{key}/body.html").status_code == 404


def test_an_attached_page_is_not_taken_for_the_mail(settings: Settings, client: httpx.Client) -> None:
    message = EmailMessage()
    message.set_content("words")
    message.add_attachment("<p>a report</p>", subtype="html", filename="report.html")
    assert read(bytes(message)).html == ""


def test_a_long_text_is_cut_and_says_so(settings: Settings, client: httpx.Client) -> None:
    key = keep(settings, b"Subject: long\r\n\r\n" + b"word " * (LONGEST_TEXT // 2))
    page = client.get(f"/mails/{key}").text
    assert LONGEST_TEXT <= len(page) < LONGEST_TEXT + 5000
    assert "Shortened" in page


ODD = {
    "empty": b"",
    "binary": bytes(range(256)) * 40,
    "no end of header": b"Subject: " + b"a" * 500_000,
    "unknown charset": b"Content-Type: text/html; charset=klingon\r\n\r\n<p>h\xff\xe4llo",
    "untrue charset": b"Content-Type: text/html; charset=us-ascii\r\n\r\n<p>h\xc3\xa4llo",
    "surrogates": b"Subject: =?unicode_escape?q?=5Cud800?=\r\nContent-Type: text/html; charset=utf-7\r\n\r\n<p>+2AA-",
    "odd parameters": b"Content-Type: text/plain; charset*=nope''%ff%fe; charset*0*=x\r\n\r\nhi",
    "odd addresses": b'From: "<@@:;,,\r\nTo: a:b,c:;d\r\nSubject: =?utf-8?b?w?=\r\n\r\nx',
    "unfinished address": b"From: <\r\nTo: \r\n\tx@\r\n\r\n",
    "odd encoded word": b"Subject: =?n\xf4pe?q?abc?=\r\n\r\nx",
    "no boundary": b"Content-Type: multipart/alternative\r\n\r\nfoo",
    "broken base64": b"Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!!=",
    "parts within parts": b"".join(
        b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (depth, depth) for depth in range(2000)
    ),
    "huge": b"Content-Type: text/html\r\n\r\n" + b"<b>" * 2_000_000,
}
"""Each but the plainest was found by throwing changed bytes at the email package."""


@pytest.mark.parametrize("data", ODD.values(), ids=ODD.keys())
def test_an_odd_mail_breaks_no_page(settings: Settings, client: httpx.Client, data: bytes) -> None:
    key = keep(settings, data)
    assert client.get("/").status_code == 200
    for view in ("", "/text", "/headers", "/source", "/mail.eml"):
        assert client.get(f"/mails/{key}{view}").status_code == 200, view
    assert client.get(f"/mails/{key}/body.html").status_code in {200, 404}
    assert client.get(f"/mails/{key}/source").content == data


def test_charsets_are_honoured_and_survived() -> None:
    assert read(ODD["untrue charset"]).html == "<p>hällo"
    assert read(b"Content-Type: text/html; charset=iso-8859-15\r\n\r\n<p>\xa4").html == "<p>€"
    assert read("Subject: Ünïcode – 論文\r\n\r\n".encode()).header("subject") == "Ünïcode – 論文"
    assert read(b"Subject: =?iso-8859-1?q?caf=E9?=\r\n\r\n").header("Subject") == "café"


@pytest.mark.parametrize(
    "path", ["/mails/none", "/mails/none/source", "/mails/..%2f..%2fsecret_key/source", "/x", "/mail.html"]
)
def test_what_is_not_there_is_told_kindly(settings: Settings, client: httpx.Client, path: str) -> None:
    (settings.home / "var").mkdir(exist_ok=True)
    (settings.home / "var" / "secret_key").write_text("secret")
    answer = client.get(path)
    assert answer.status_code == 404
    assert "Not here" in answer.text


def test_a_template_under_home_replaces_ours(settings: Settings) -> None:
    folder = settings.home / "templates" / "web" / "inbox"
    folder.mkdir(parents=True)
    (folder / "missing.html").write_text("gone fishing")
    with inbox.running(settings) as address:
        assert httpx.get(f"{address}x", trust_env=False).text == "gone fishing"


# ---- safety ----------------------------------------------------------------------------------------------------------


def test_every_answer_is_fenced_in(settings: Settings, client: httpx.Client) -> None:
    key = keep(settings, a_mail())
    for path in ("/", f"/mails/{key}", f"/mails/{key}/source", "/inbox.css", "/inbox.js", "/nowhere"):
        headers = client.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'"), path
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"


def test_the_html_of_a_mail_is_fenced_in_wherever_it_is_opened(settings: Settings, client: httpx.Client) -> None:
    key = keep(settings, a_mail())
    policy = client.get(f"/mails/{key}/body.html").headers["content-security-policy"].split("; ")
    assert "sandbox allow-popups allow-popups-to-escape-sandbox" in policy
    assert "default-src 'none'" in policy
    assert not any(rule.startswith("script-src") for rule in policy)
    frame = client.get(f"/mails/{key}").text.partition("<iframe")[2].partition(">")[0]
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in frame


def test_a_page_that_points_its_name_here_reads_nothing(settings: Settings, client: httpx.Client) -> None:
    """DNS rebinding: the browser connects to us, but names somebody else."""
    keep(settings, a_mail("secret subject"))
    answer = client.get("/", headers={"Host": "evil.example.org"})
    assert answer.status_code == 400
    assert "secret subject" not in answer.text


@pytest.mark.parametrize(
    ("html", "opened"),
    [
        ("<!DOCTYPE html><html><HEAD lang=en><p>", "<!DOCTYPE html><html><HEAD lang=en>|<p>"),
        ("<!doctype html><header>x", "<!doctype html>|<header>x"),
        ("<p>x", "|<p>x"),
    ],
)
def test_links_open_a_new_tab_and_the_doctype_stays_first(
    settings: Settings, client: httpx.Client, html: str, opened: str
) -> None:
    key = keep(settings, b"Content-Type: text/html\r\n\r\n" + html.encode())
    assert client.get(f"/mails/{key}/body.html").text == opened.replace("|", '<base target="_blank">')


# ---- the command -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_shows_the_mailbox_until_it_is_told_to_end(settings: Settings, number: signal.Signals) -> None:
    keep(settings, a_mail("from a process"))
    with _command(settings, "--port", "0") as process:
        assert process.stdout
        address = next(word for word in process.stdout.readline().split() if word.startswith("http://127.0.0.1:"))
        assert "from a process" in httpx.get(address, trust_env=False).text
        process.send_signal(number)
        assert process.wait(20) == 0
        assert process.stderr
        assert process.stderr.read() == ""


def test_a_taken_port_is_named_with_the_way_out(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with _command(settings, "--port", str(port)) as process:
            assert process.wait(20) == 2
            assert process.stderr
            assert process.stderr.read() == f"digest: port {port} is in use; choose another with --port\n"


def test_a_host_that_is_not_ours_is_refused(settings: Settings) -> None:
    with pytest.raises(UsageError, match=r"cannot listen on 192\.0\.2\.1"), inbox.running(settings, host="192.0.2.1"):
        pass


@contextlib.contextmanager
def _command(settings: Settings, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "digest", "inbox", *arguments]
    environment = os.environ | {"DIGEST_HOME": str(settings.home)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


# ---- in a browser ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


@pytest.mark.browser
def test_a_mail_is_read_and_nothing_in_it_runs(settings: Settings, page: Page) -> None:
    key = keep(settings, a_mail("Read me"))
    with inbox.running(settings) as address:
        page.goto(address)
        page.get_by_text("Read me").click()
        frame = page.frame_locator("iframe")
        assert frame.locator("h1").inner_text() == "A digest"
        frame.locator("#send").click()
        asked = page.context.expect_event("request", lambda request: request.url == "https://papers.invalid/1")
        with page.context.expect_page() as opened, asked:
            frame.locator("#link").click()
        assert opened.value.evaluate("window.opener") is None
        assert page.url == f"{address}mails/{key}"
        assert page.title() == "Read me"
        page.goto(f"{address}mails/{key}/body.html")
        assert page.locator("h1").inner_text() == "A digest"


@pytest.mark.browser
def test_new_mail_appears_where_the_reader_is(settings: Settings, page: Page) -> None:
    for number in range(40):
        keep(settings, a_mail(f"number {number}"))
    with inbox.running(settings) as address:
        page.goto(address)
        page.evaluate("window.same = true; window.scrollTo(0, 500)")
        time.sleep(0.02)
        keep(settings, a_mail("just in"))
        page.get_by_text("just in").wait_for(timeout=15_000)
        assert page.evaluate("[window.same, window.scrollY]") == [True, 500]
        assert page.title() == "Inbox (41)"


@pytest.mark.browser
def test_a_mail_can_be_seen_as_on_a_phone_without_script(settings: Settings, browser: Browser) -> None:
    key = keep(settings, a_mail())
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1000, "height": 700})
    page = context.new_page()
    with inbox.running(settings) as address:
        page.goto(f"{address}mails/{key}")
        wide = page.locator("iframe").bounding_box()
        page.get_by_text("Phone").click()
        narrow = page.locator("iframe").bounding_box()
    context.close()
    assert wide
    assert narrow
    assert (wide["width"] > 900, narrow["width"]) == (True, 377)
