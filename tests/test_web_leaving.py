"""Leaving: at once, for good, however it is asked for, and never by a scanner."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from digest.models import SubscriberState
from tests.program import mail
from tests.web_site import PUBLIC, Site, hidden, site

ADA = "ada@example.org"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[Site]:
    """Ada is subscribed, and got today's digest."""
    with site(tmp_path) as opened:
        opened.subscribe(ADA)
        opened.run()
        yield opened


def state(pages: Site) -> SubscriberState:
    person = pages.desk.parts.store.subscribers.get(ADA)
    assert person
    return person.state


def one_click(pages: Site) -> str:
    """The address in the header of the digest as it was received."""
    header = mail(pages.relay.messages[-1])["List-Unsubscribe"]
    assert mail(pages.relay.messages[-1])["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    found = next(part.strip(" <>") for part in str(header).split(",") if "https:" in part)
    return found.removeprefix(PUBLIC)


@pytest.mark.parametrize("form", [{"data": ONE_CLICK}, {"files": {name: (None, v) for name, v in ONE_CLICK.items()}}])
def test_the_mailboxs_button_ends_it_with_one_post(pages: Site, form: dict[str, object]) -> None:
    """RFC 8058: urlencoded or multipart, no cookie, no origin, no redirect."""
    answer = pages.client.post(one_click(pages), **form)  # type: ignore[arg-type]
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert "set-cookie" not in answer.headers
    assert state(pages) is SubscriberState.UNSUBSCRIBED
    seen = len(pages.relay.messages)
    pages.clock.forward(days=1)
    pages.run()
    pages.post_letters()
    assert len(pages.relay.messages) == seen


@pytest.mark.parametrize(
    "request_",
    [
        {"content": b""},
        {"content": b"\xff\x00garbage", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
        {"content": b"garbage", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
        {"content": b"garbage", "headers": {"Content-Type": "multipart/form-data"}},
        {"data": ONE_CLICK, "headers": {"Sec-Fetch-Site": "cross-site", "Origin": "https://mail.example.com"}},
    ],
)
def test_a_mailbox_with_odd_manners_is_understood(pages: Site, request_: dict[str, object]) -> None:
    answer = pages.client.post(one_click(pages), **request_)  # type: ignore[arg-type]
    assert answer.status_code == 200
    assert state(pages) is SubscriberState.UNSUBSCRIBED


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PROPFIND"])
def test_nothing_but_a_post_ends_it(pages: Site, method: str) -> None:
    before = pages.dump()
    pages.client.request(method, pages.link("unsubscribe"))
    assert pages.dump() == before


def test_the_page_has_one_button_and_nothing_to_read_first(pages: Site) -> None:
    page = pages.get(pages.link("unsubscribe")).text
    assert page.count("<button") == 1
    assert "fewer" not in page


def test_fewer_is_offered_after_and_works_for_an_hour(pages: Site) -> None:
    link = pages.link("unsubscribe")
    page = pages.post(link, {"page": "1"}).text
    assert "fewer" in page
    assert state(pages) is SubscriberState.UNSUBSCRIBED
    receipt = hidden(page, "receipt")
    answer = pages.post(f"{link}/back", {"receipt": receipt, "choice": "weekly"})
    assert "once a week" in answer.text
    assert state(pages) is SubscriberState.ACTIVE
    pages.post(link, {"page": "1"})
    pages.clock.forward(hours=2)
    assert pages.post(f"{link}/back", {"receipt": receipt, "choice": "same"}).status_code == 410
    assert state(pages) is SubscriberState.UNSUBSCRIBED


def test_a_forwarded_link_cannot_bring_back_who_left(pages: Site) -> None:
    link = pages.link("unsubscribe")
    pages.post(link, {"page": "1"})
    for receipt in ("", "1770184805.0123", "9" * 11 + ".x"):
        assert pages.post(f"{link}/back", {"receipt": receipt, "choice": "same"}).status_code == 410
    assert state(pages) is SubscriberState.UNSUBSCRIBED


def test_who_left_long_ago_cannot_be_brought_back_by_leaving_once_more(pages: Site) -> None:
    """The link never ends, and may be in the hands of whoever a digest was forwarded to."""
    link = pages.link("unsubscribe")
    pages.post(link, {"page": "1"})
    pages.clock.forward(days=30)
    again = pages.post(link, {"page": "1"})
    assert "You have unsubscribed" in again.text
    assert "<form" not in again.text


def test_leaving_twice_is_the_same_as_once(pages: Site) -> None:
    link = pages.link("unsubscribe")
    pages.post(link, ONE_CLICK)
    before = pages.dump()
    assert pages.post(link, ONE_CLICK).status_code == 200
    assert pages.dump() == before


def test_the_link_works_for_ever_and_after_a_new_key(pages: Site, tmp_path: Path) -> None:
    link = pages.link("unsubscribe")
    old = (tmp_path / "var" / "secret_key").read_text()
    with site(tmp_path, now="2031-02-04T06:00Z", secret_key=f"a new key,{old}") as later:
        assert later.post(link, ONE_CLICK).status_code == 200
        assert state(later) is SubscriberState.UNSUBSCRIBED


def test_a_link_of_somebody_deleted_still_says_done(pages: Site) -> None:
    link = pages.link("unsubscribe")
    pages.desk.parts.store.readers.erase(pages.desk.tokens_of(ADA)[0])
    assert pages.post(link, ONE_CLICK).status_code == 200


@pytest.mark.parametrize("change", [lambda s: s[:-1] + ("A" if s[-1] != "A" else "B"), lambda s: s[:20], str.upper])
def test_a_forged_link_is_no_page(pages: Site, change: object) -> None:
    link = pages.link("unsubscribe").removeprefix("/unsubscribe/")
    answer = pages.post(f"/unsubscribe/{change(link)}", ONE_CLICK)  # type: ignore[operator]
    assert answer.status_code == 404
    assert state(pages) is SubscriberState.ACTIVE


@pytest.mark.parametrize("purpose", ["confirm", "preferences", "not-me", "issue", "archive", "feedback"])
def test_a_link_opens_only_what_it_was_signed_for(pages: Site, purpose: str) -> None:
    signed = pages.link("unsubscribe").removeprefix("/unsubscribe/")
    answers: list[httpx.Response] = [pages.get(f"/{purpose}/{signed}"), pages.post(f"/{purpose}/{signed}")]
    assert {answer.status_code for answer in answers} <= {404, 405}


def test_a_digest_planned_before_they_left_is_not_sent(pages: Site) -> None:
    seen = len(pages.relay.messages)
    pages.relay.answers["MAIL"] = "451 4.3.0 later"
    pages.clock.forward(days=1)
    pages.run()
    pages.post(pages.link("unsubscribe"), ONE_CLICK)
    pages.relay.answers.clear()
    pages.clock.forward(hours=2)
    pages.run()
    assert len(pages.relay.messages) == seen
    assert pages.desk.parts.store.deliveries.counts().get("cancelled") == 1
