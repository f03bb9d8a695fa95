"""Links say who and what for, to us alone."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.compose import Expired, Forged, Link, Links, Purpose, Verb
from tests.make import NOON

BASE = "https://digest.example.org"
LINKS = Links(BASE, ["new" * 10, "old" * 10])
ISSUE = date(2026, 2, 4)


def text_of(url: str) -> str:
    return url.removeprefix(f"{BASE}/").partition("/")[2]


def test_a_link_opens_the_page_it_names() -> None:
    assert LINKS.unsubscribe("q3v9k2").startswith(f"{BASE}/unsubscribe/")
    assert LINKS.read(Purpose.UNSUBSCRIBE, text_of(LINKS.unsubscribe("q3v9k2"))) == Link(Purpose.UNSUBSCRIBE, "q3v9k2")


@given(st.text(st.characters(codec="utf-8", exclude_characters="\n"), min_size=1))
def test_feedback_names_its_paper_whatever_its_id(paper: str) -> None:
    url = LINKS.feedback("q3v9k2", ISSUE, paper, Verb.LESS)
    assert url.isascii()
    assert LINKS.read(Purpose.FEEDBACK, text_of(url)) == Link(Purpose.FEEDBACK, "q3v9k2", ISSUE, paper, Verb.LESS)


def test_the_web_view_names_its_issue() -> None:
    found = LINKS.read(Purpose.WEBVIEW, text_of(LINKS.webview("q3v9k2", ISSUE)))
    assert found == Link(Purpose.WEBVIEW, "q3v9k2", ISSUE)


@pytest.mark.parametrize("purpose", [p for p in Purpose if p is not Purpose.UNSUBSCRIBE])
def test_a_link_opens_nothing_else(purpose: Purpose) -> None:
    assert LINKS.read(purpose, text_of(LINKS.unsubscribe("q3v9k2"))) == Forged()


@given(st.text())
def test_nonsense_is_forged(text: str) -> None:
    assert LINKS.read(Purpose.UNSUBSCRIBE, text) == Forged()


def test_a_changed_letter_is_forged() -> None:
    text = text_of(LINKS.confirm("q3v9k2", NOON))
    for i in range(0, len(text), 5):
        changed = text[:i] + ("A" if text[i] != "A" else "B") + text[i + 1 :]
        assert LINKS.read(Purpose.CONFIRM, changed) == Forged()


def test_an_older_key_still_opens_and_a_dropped_one_does_not() -> None:
    text = text_of(Links(BASE, ["old" * 10]).unsubscribe("q3v9k2"))
    assert LINKS.read(Purpose.UNSUBSCRIBE, text) == Link(Purpose.UNSUBSCRIBE, "q3v9k2")
    assert Links(BASE, ["new" * 10]).read(Purpose.UNSUBSCRIBE, text) == Forged()


@pytest.mark.parametrize(("age", "opens"), [(timedelta(hours=1), True), (timedelta(hours=1, seconds=1), False)])
def test_a_dated_link_closes_in_time(age: timedelta, opens: bool) -> None:
    text = text_of(LINKS.preferences("q3v9k2", NOON))
    found = LINKS.read(Purpose.PREFERENCES, text, now=NOON + age, max_age=timedelta(hours=1))
    assert isinstance(found, Link) is opens
    if isinstance(found, Expired):
        assert found.link.subscriber == "q3v9k2", "the page offers a fresh link to the same person"


def test_the_footer_s_undated_link_opens_nothing_that_asks_for_a_date() -> None:
    """Digests get forwarded."""
    text = text_of(LINKS.preferences("q3v9k2"))
    found = LINKS.read(Purpose.PREFERENCES, text, now=NOON, max_age=timedelta(hours=1))
    assert found == Expired(Link(Purpose.PREFERENCES, "q3v9k2"))


def test_an_unsubscribe_link_works_for_ever() -> None:
    now = datetime(2099, 1, 1, tzinfo=NOON.tzinfo)
    assert isinstance(LINKS.read(Purpose.UNSUBSCRIBE, text_of(LINKS.unsubscribe("q3v9k2")), now=now), Link)


def test_no_key_no_links() -> None:
    with pytest.raises(ValueError, match="key"):
        Links(BASE, [])


@pytest.mark.parametrize("token", ["q3v9k2", "Ab_-9", "a" * 22])
def test_a_bounce_address_survives_a_relay_that_changes_case(token: str) -> None:
    local = LINKS.bounce_address(token, "b.example.org").rpartition("@")[0]
    assert len(local) <= 64
    assert LINKS.read_address(local.upper()) == Link(Purpose.BOUNCE, token)


def test_addresses_are_as_strict_as_links() -> None:
    local = LINKS.unsubscribe_address("q3v9k2", "b.example.org").rpartition("@")[0]
    assert LINKS.read_address(local) == Link(Purpose.UNSUBSCRIBE, "q3v9k2")
    assert LINKS.read_address("b" + local[1:]) == Forged(), "signed for another purpose"
    old = Links(BASE, ["old" * 10]).bounce_address("q3v9k2", "b.example.org").rpartition("@")[0]
    assert LINKS.read_address(old) == Link(Purpose.BOUNCE, "q3v9k2")


@given(st.text())
def test_nonsense_addresses_are_forged(text: str) -> None:
    assert LINKS.read_address(text) == Forged()
    assert LINKS.read_address(f"b+{text}") == Forged()
