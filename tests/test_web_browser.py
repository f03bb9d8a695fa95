"""The whole subscription in Chromium: a real server, a real relay, the program's own passes, a clock that is moved."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from digest.models import Listing
from tests.program import mail
from tests.web_site import Site, hidden, served

playwright = pytest.importorskip("playwright.sync_api")
pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
ADA = "ada@example.org"
AXE = Path(__file__).parent / "judges" / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[Site]:
    with served(tmp_path, operator_token="a long token") as opened:
        yield opened


VIEWS: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1280, "height": 900}},
    "phone": {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True},
}


@pytest.fixture(params=VIEWS)
def page(request: pytest.FixtureRequest, chromium: Any, pages: Site) -> Iterator[Any]:
    """A tab in Berlin whose every complaint (a script that failed, a style that the policy refused) fails the test."""
    complaints: list[str] = []
    context = chromium.new_context(timezone_id="Europe/Berlin", base_url=pages.public, **VIEWS[request.param])
    tab = context.new_page()
    tab.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    yield tab
    assert not context.cookies()
    context.close()
    assert not complaints


def digests(pages: Site) -> list[str]:
    return [text for text in pages.mails() if "View in browser" in text]


def test_from_the_form_to_the_last_mail(pages: Site, page: Any) -> None:
    fill_in_the_form(pages, page)
    confirm(pages, page)
    title = ask_for_more(pages, page)
    change_the_hour(pages, page, title)
    pause_and_resume(pages, page)
    take_the_data_along(pages, page)
    leave(pages)


def fill_in_the_form(pages: Site, page: Any) -> None:
    page.goto("/")
    assert page.get_by_label("Time zone").input_value() == "Europe/Berlin"
    page.get_by_label("Topics, in your own words").fill("theory of mind")
    page.locator("#preview").get_by_text("It matches your topic “theory of mind”").first.wait_for()
    page.get_by_label("Paper 1").fill("https://arxiv.org/abs/9901.00015v2")
    page.get_by_label("E-mail address").fill(ADA)
    pages.clock.forward(seconds=10)
    page.get_by_role("button", name="Subscribe").click()
    page.get_by_role("heading", name="Look into your inbox").wait_for()


def confirm(pages: Site, page: Any) -> None:
    pages.wait_for_mails(1)
    page.goto(pages.link("confirm"))
    page.get_by_role("button", name="Yes, start it").click()
    page.get_by_role("heading", name="You are subscribed").wait_for()
    assert pages.woken, "the first digest does not wait for the next minute"
    pages.wait_for_mails(2)  # the welcome
    pages.run()
    assert len(digests(pages)) == 1
    assert "theory of mind" in digests(pages)[0]


def ask_for_more(pages: Site, page: Any) -> str:
    """Say "more like this" of a paper, and save it; its title."""
    page.goto(pages.feedback())
    title = str(page.locator("article .title").inner_text())
    page.get_by_role("button", name="More like this", exact=True).click()
    page.get_by_role("heading", name="You will see more like this").wait_for()
    assert title[:40] in page.locator(".note").inner_text()
    page.get_by_role("button", name="Save to my reading list").click()
    page.get_by_role("heading", name="Saved").wait_for()
    return title


def change_the_hour(pages: Site, page: Any, title: str) -> None:
    page.goto(pages.link("preferences"))
    page.get_by_label("Hour").fill("09:30")
    page.get_by_role("button", name="Save the changes").click()
    page.get_by_text("Saved. The next digest goes by it.").wait_for()
    pages.clock.now = pages.clock.now.replace(day=5, hour=8, minute=29)
    publish_sequels(pages)
    pages.run()
    assert len(digests(pages)) == 1, "not before half past nine in Berlin"
    pages.clock.forward(minutes=2)
    pages.run()
    assert len(digests(pages)) == 2
    assert f"close to “{title[:25]}" in " ".join(digests(pages)[1].split()), "the digest says what it learned"


def publish_sequels(pages: Site) -> None:
    """Today every author of the sample day has a further part."""
    store, now = pages.desk.parts.store, pages.clock.now
    first = [paper for paper in store.papers.newest(999) if ": Part " not in paper.title]
    parts = [replace(p, id=f"{p.id[:5]}{now.day}{p.id[6:]}", title=f"{p.title}: Part {now.day}", doi="") for p in first]
    store.papers.add([Listing("arxiv", paper, now) for paper in parts], now)


def pause_and_resume(pages: Site, page: Any) -> None:
    page.reload()
    page.get_by_label("Send nothing until").fill("2026-02-10")
    page.get_by_role("button", name="Pause", exact=True).click()
    page.get_by_text("Paused. Nothing is sent until then.").wait_for()
    pages.clock.forward(days=1)
    publish_sequels(pages)
    pages.run()
    assert len(digests(pages)) == 2
    page.get_by_role("button", name="Resume now").click()
    page.get_by_text("Welcome back.").wait_for()
    pages.run()
    assert len(digests(pages)) == 3


def take_the_data_along(pages: Site, page: Any) -> None:
    before = len(pages.mails())
    page.get_by_role("button", name="Mail me a link that opens my data").click()
    page.get_by_text("is on its way to your address").wait_for()
    pages.wait_for_mails(before + 1)
    page.goto(pages.link("preferences"))
    with page.expect_download() as download:
        page.get_by_role("button", name="Download everything about me").click()
    everything = json.loads(Path(download.value.path()).read_text())
    assert everything["profile"]["email"] == ADA
    assert [each["issue"] for each in everything["deliveries"]] == ["2026-02-04", "2026-02-05", "2026-02-06"]
    assert {each["verb"] for each in everything["feedback"]} == {"more", "save"}


def leave(pages: Site) -> None:
    header = next(str(mail(m)["List-Unsubscribe"]) for m in reversed(pages.relay.messages) if mail(m)["List-Id"])
    one_click = header.split(",")[0].strip(" <>")
    assert httpx.post(one_click, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    seen = len(pages.relay.messages)
    pages.clock.forward(days=1)
    publish_sequels(pages)
    pages.run()
    assert len(pages.relay.messages) == seen


def test_every_page_fits_a_phone(pages: Site, chromium: Any) -> None:
    """No sideways scrolling at 320 pixels."""
    for name, tab in visits(pages, chromium):
        width = tab.evaluate("document.documentElement.scrollWidth")
        assert width <= 320, f"{name} is {width} pixels wide"
        assert tab.locator("h1").count() == 1, name


@pytest.mark.judges
def test_axe_finds_nothing_serious_on_any_page(pages: Site, chromium: Any) -> None:
    for name, tab in visits(pages, chromium, bypass_csp=True):
        tab.add_script_tag(path=AXE)
        found = tab.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
        serious = [each["help"] for each in found if each["impact"] in {"serious", "critical"}]
        assert not serious, f"{name}: {serious} {[n['html'] for v in found for n in v['nodes']][:3]}"


def visits(pages: Site, chromium: Any, **options: Any) -> Iterator[tuple[str, Any]]:
    """Every page on a small phone, by day and by night."""
    paths = every_page(pages)
    for scheme in ("light", "dark"):
        context = chromium.new_context(
            base_url=pages.public,
            viewport={"width": 320, "height": 640},
            color_scheme=scheme,
            http_credentials={"username": "operator", "password": "a long token"},
            **options,
        )
        tab = context.new_page()
        for name, path in paths.items():
            tab.goto(path)
            yield f"{name} ({scheme})", tab
        for name, path, fields in every_answer(pages, f"{scheme}@example.org"):
            tab.goto("/privacy")
            with tab.expect_navigation():
                tab.evaluate(PRESS, [path, fields])
            yield f"{name} ({scheme})", tab
        context.close()


PRESS = """([path, fields]) => {
  const form = Object.assign(document.createElement("form"), {method: "post", action: path});
  for (const [name, value] of Object.entries(fields)) {
    form.append(Object.assign(document.createElement("input"), {name, value}));
  }
  document.body.append(form);
  form.submit();
}"""
"""A button of one of our pages, without the page."""


def every_answer(pages: Site, email: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Each page that follows a button, for somebody new: its name, and the path and the fields that lead there."""
    links, token = pages.desk.links, pages.desk.tokens_of(email)[0]
    stamp = hidden(pages.get("/").text, "stamp")
    pages.clock.forward(hours=1)
    wishes = {"email": email, "topic": "theory of mind", "day": "mon", "stamp": stamp}
    yield "mistakes", "/subscribe", {**wishes, "email": "nobody", "zone": "Mars/Olympus"}
    yield "sent", "/subscribe", wishes
    pages.wait_for_mails(1, email)
    confirm = pages.link("confirm", email)
    yield "confirmed", confirm, {}
    yield "already confirmed", confirm, {}
    yield "noted", links.not_me("nobody"), {}
    for word in ("more", "less", "none", "save", "unsave"):
        yield word, pages.feedback(), {"word": word}
    author = hidden(pages.get(pages.feedback("Hide author")).text, "hide")
    yield "hidden", pages.feedback("Hide author"), {"hide": author}
    yield "shown again", pages.feedback("Hide author"), {"show": author}
    yield "left", links.unsubscribe(token), {"page": "1"}
    receipt = pages.desk.seal.stamp(f"left {token}", pages.clock.now)
    yield "came back", f"{links.unsubscribe(token)}/back", {"receipt": receipt, "choice": "weekly"}
    preferences = links.preferences(token, pages.clock.now)
    yield "not sure", f"{preferences}/erase", {}
    yield "paused", f"{preferences}/pause", {}
    yield "erased", f"{preferences}/erase", {"sure": "1"}
    yield "link mailed", "/link", {"email": email}
    yield "expired", links.confirm(token, pages.clock.now - timedelta(days=30)), {}
    yield "too large", "/preview", {"topic": "x" * 70_000}
    for _ in range(10):
        pages.post("/link", {"email": email})
    yield "too many", "/link", {"email": email}


def every_page(pages: Site) -> dict[str, str]:
    """Each page there is, by name."""
    pages.sign_up()
    pages.wait_for_mails(1)
    confirm, not_me = pages.link("confirm"), pages.link("not-me")
    pages.post(confirm)
    pages.run()
    pages.wait_for_mails(3)
    feedback = pages.feedback()
    pages.post(feedback, {"word": "more"})
    pages.post(feedback, {"word": "save"})
    seen = len(pages.mails())
    pages.post("/link", {"email": ADA})
    pages.wait_for_mails(seen + 1)
    archive = pages.desk.links.archive(pages.desk.tokens_of(ADA)[0]).removeprefix(pages.public)
    return {
        "landing": "/",
        "confirm": confirm,
        "not me": not_me,
        "unsubscribe": pages.link("unsubscribe"),
        "preferences": pages.link("preferences"),
        "feedback": feedback,
        "archive": archive,
        "saved": f"{archive}/saved",
        "past issue": f"{archive}/2026-02-04",
        "issue": pages.link("issue"),
        "trending": "/trending",
        "privacy": "/privacy",
        "link": "/link",
        "missing": "/nowhere",
        "operator": "/operator",
    }


def test_without_scripts_everything_works_too(pages: Site, chromium: Any) -> None:
    context = chromium.new_context(base_url=pages.public, java_script_enabled=False)
    tab = context.new_page()
    tab.goto("/")
    tab.get_by_label("Topics, in your own words").fill("theory of mind")
    tab.get_by_role("button", name="Show me today").click()
    tab.get_by_text("It matches your topic “theory of mind”").first.wait_for()
    assert tab.get_by_role("checkbox", name="theory of mind").is_checked()
    tab.get_by_label("E-mail address").fill(ADA)
    pages.clock.forward(seconds=10)
    tab.get_by_role("button", name="Subscribe").click()
    tab.get_by_role("heading", name="Look into your inbox").wait_for()
    pages.wait_for_mails(1)
    context.close()


def test_a_scanner_with_a_browser_changes_nothing(pages: Site, chromium: Any) -> None:
    """It opens every link of every mail twice, runs the scripts, and follows what it finds on the pages."""
    every_page(pages)
    links = {
        pages.link(purpose) for purpose in ("confirm", "not-me", "preferences", "unsubscribe", "issue", "feedback")
    }
    context = chromium.new_context(base_url=pages.public)
    tab = context.new_page()
    before = pages.dump()
    for path in sorted(links) * 2:
        tab.goto(path)
        tab.wait_for_load_state("networkidle")
    context.close()
    assert pages.dump() == before
