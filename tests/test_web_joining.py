"""Signing up: nobody gets mail they did not confirm, and nobody learns who is subscribed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from digest.models import Interests, Origin, Profile, SubscriberState, Topic
from digest.store import Asked
from digest.subscription import signup
from digest.subscription.desk import words
from tests.web_site import BROWSER, PUBLIC, Site, hidden, site

ADA = "ada@example.org"


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path) as opened:
        yield opened


def state(pages: Site, email: str = ADA) -> SubscriberState | None:
    person = pages.desk.parts.store.subscribers.get(email)
    return person.state if person else None


def test_the_landing_page_shows_what_is_trending_today(pages: Site) -> None:
    page = pages.get("/").text
    assert "4 February 2026" in page or "February 4, 2026" in page
    assert page.count('<article class="card">') >= 5


def test_before_the_first_papers_the_landing_page_says_so_once(tmp_path: Path) -> None:
    with site(tmp_path, now="2026-06-01T06:00Z") as pages:
        page = pages.get("/").text
    assert page.count("the next digest comes as usual") == 1
    assert "what others are reading" not in page


def test_topics_are_suggested_from_the_papers_in_the_store(pages: Site) -> None:
    page = pages.get("/").text
    known = {word.casefold() for paper in pages.desk.parts.store.papers.newest(500) for word in paper.keywords}
    suggested = re.findall(r'<option value="([^"]+)"></option>', page)
    assert len(suggested) > 5
    assert set(suggested) <= known


def test_the_preview_is_for_exactly_the_topics_typed(pages: Site) -> None:
    anybody = pages.post("/preview/part", {"day": ["mon"]}).text
    mine = pages.post("/preview/part", {"topic": ["quantum error correction"], "day": ["mon"]}).text
    assert "For you" not in anybody
    assert "matches your topic “quantum error correction”" in mine


def test_a_preview_needs_no_address_and_keeps_nothing(pages: Site) -> None:
    before = pages.dump()
    page = pages.post("/preview", {"topic": ["robotics"], "day": ["mon"]}).text
    assert 'value="robotics"' in page
    after = pages.dump()
    assert {name for name in before if before[name] != after[name]} == {"rates"}


def test_one_button_after_the_mail_and_the_first_digest_comes_at_once(pages: Site) -> None:
    assert "Look into your inbox" in pages.sign_up(at="23:30").text
    assert state(pages) is None
    assert len(pages.mails()) == 1
    answer = pages.post(pages.link("confirm"))
    assert "You are subscribed" in answer.text
    assert state(pages) is SubscriberState.ACTIVE
    assert pages.woken
    pages.run()
    assert "theory of mind" in pages.mails()[-1]
    pages.clock.forward(hours=1)
    pages.run()
    assert sum("Unsubscribe:" in text and "View in browser" in text for text in pages.mails()) == 1


def test_a_welcome_repeats_what_was_chosen(pages: Site) -> None:
    pages.subscribe(topic=["theory of mind", "robotics"], day=["mon", "thu"], at="18:15")
    welcome = " ".join(pages.mails()[-1].split())
    assert "A digest comes on Monday and Thursday at 6:15" in welcome
    assert "(Europe/Berlin)" in welcome
    assert "It will look for: theory of mind and robotics" in welcome


def test_a_scanner_that_opens_the_confirmation_link_subscribes_nobody(pages: Site) -> None:
    pages.sign_up()
    before = pages.dump()
    for _ in range(2):
        assert pages.get(pages.link("confirm")).status_code == 200
        assert pages.client.head(pages.link("confirm")).status_code == 200
    assert pages.dump() == before


def test_confirming_twice_does_no_harm(pages: Site) -> None:
    pages.subscribe()
    before = pages.dump()
    answer = pages.post(pages.link("confirm"))
    assert answer.status_code == 200
    assert "Already confirmed" in answer.text
    assert pages.dump() == before


def test_a_confirmation_link_expires(pages: Site) -> None:
    pages.sign_up()
    pages.clock.forward(days=8)
    assert pages.get(pages.link("confirm")).status_code == 410
    assert pages.post(pages.link("confirm")).status_code == 410
    assert state(pages) is None


def test_consent_is_kept_with_time_wording_and_a_truncated_network(pages: Site) -> None:
    pages.subscribe()
    person = pages.desk.parts.store.subscribers.get(ADA)
    assert person
    [consent] = pages.desk.parts.store.readers.consents(person.id)
    assert consent["wording"] == signup.wording(words("en"))
    assert consent["asked_from"] == consent["confirmed_from"] == "203.0.113.0/24"
    assert consent["confirmed_at"] == pages.clock.now
    assert signup.wording(words("en")) in pages.get("/").text


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2::7", "2001:db8:1::/48"),
        ("::ffff:203.0.113.7", "203.0.113.0/24"),
        ("unix", ""),
    ],
)
def test_an_address_is_never_kept_whole(host: str, network: str) -> None:
    assert signup.network_of(host) == network


def test_not_me_forgets_the_sign_up_and_silences_the_address_for_ever(pages: Site) -> None:
    pages.sign_up()
    link = pages.link("not-me")
    assert pages.get(link).status_code == 200
    assert pages.post(link).status_code == 200
    assert pages.post(pages.link("confirm")).status_code == 410
    pages.clock.forward(days=400)
    pages.sign_up()
    assert len(pages.mails()) == 1


def test_not_me_leaves_nothing_but_the_hash_of_who_had_subscribed_once(tmp_path: Path) -> None:
    """As the privacy page says; a stranger may have signed up somebody who left long ago. Nor does the roster help."""
    with site(tmp_path, roster="subscribers: [{email: ada@example.org}]") as pages:
        token = pages.desk.tokens_of(ADA)[0]
        pages.post(pages.desk.links.unsubscribe(token))
        pages.sign_up()
        pages.post(pages.link("not-me"))
        pages.program.roster("subscribers: [{email: ada@example.org, topics: [robotics]}]")
        pages.run()
        assert ADA not in repr(pages.dump())
        assert pages.desk.parts.store.suppressions.any([token])


def test_the_answer_is_the_same_for_known_unknown_and_suppressed_addresses(pages: Site) -> None:
    pages.subscribe("known@example.org")
    pages.sign_up("never@example.org")
    pages.post(pages.link("not-me", "never@example.org"))
    answers = {}
    for name in ("known", "never", "unseen"):
        answer = pages.sign_up(f"{name}@example.org")
        links = pages.post("/link", {"email": f"{name}@example.org"})
        answers[name] = (answer.status_code, answer.text.replace(name, "…"), links.status_code, links.text)
    assert answers["known"] == answers["never"] == answers["unseen"]


def test_somebody_subscribed_who_signs_up_again_gets_their_links_instead(pages: Site) -> None:
    pages.subscribe(topic=["theory of mind"])
    pages.sign_up(topic=["something a stranger typed"])
    assert "/preferences/" in pages.mails()[-1]
    person = pages.desk.parts.store.subscribers.get(ADA)
    assert person
    assert [topic.phrase for topic in person.interests.topics] == ["theory of mind"]


def test_nothing_that_a_stranger_typed_is_mailed(pages: Site) -> None:
    pages.sign_up(topic=["BUY PILLS http://spam.example"], name="BUY PILLS", liked=["10.1/PILLS"])
    [received] = pages.relay.messages
    assert b"PILLS" not in received.data
    assert b"spam.example" not in received.data


def test_an_address_is_asked_once_a_day_and_three_times_ever(pages: Site) -> None:
    for _ in range(3):
        pages.sign_up()
    assert len(pages.mails()) == 1
    for _ in range(30):
        pages.clock.forward(days=2)
        pages.sign_up()
    assert len(pages.mails()) == 3


def test_other_spellings_of_an_address_do_not_fill_its_mailbox(pages: Site) -> None:
    """Subaddresses (RFC 5233) end in the same mailbox, and Gmail takes no notice of dots."""
    for i in range(20):
        pages.clock.forward(minutes=10)
        pages.sign_up("bo@gmail.com")  # again and again in one day, of which one is mailed
        answer = pages.sign_up(f"V{'.' * (i % 2)}ictim+{i}@gmail.com")
        assert (answer.status_code, "Look into your inbox" in answer.text) == (200, True)
    assert len(pages.relay.messages) == signup.PER_MAILBOX[0] + 1
    pages.clock.forward(days=1)
    pages.sign_up("bo@gmail.com")
    assert len(pages.mails("bo@gmail.com")) == 2
    pages.sign_up("victoria@gmail.com")
    assert len(pages.mails("victoria@gmail.com")) == 1


def test_who_must_never_be_written_to_is_not_under_another_spelling(pages: Site) -> None:
    pages.sign_up()
    pages.post(pages.link("not-me"))
    pages.sign_up("ada+news@example.org")
    assert not pages.mails("ada+news@example.org")


def test_a_second_form_does_not_change_what_the_first_mail_confirms(pages: Site) -> None:
    pages.sign_up(topic=["mine"])
    pages.sign_up(topic=["of somebody else who knows my address"])
    pages.post(pages.link("confirm"))
    person = pages.desk.parts.store.subscribers.get(ADA)
    assert person
    assert person.interests.topics == (Topic("mine"),)


def test_a_link_of_an_earlier_request_does_not_confirm_a_later_one(pages: Site) -> None:
    pages.sign_up(topic=["mine"])
    old = pages.link("confirm")
    pages.clock.forward(days=1, minutes=1)
    pages.sign_up(topic=["of somebody else"])
    assert pages.post(old).status_code == 410
    assert state(pages) is None


def test_a_flood_from_one_network_is_capped_and_from_many_too(pages: Site) -> None:
    from digest.web import build
    from tests.web_site import browser

    application = build(pages.desk, lambda: None, lambda: None)
    stamp = pages.desk.seal.stamp("sign-up", pages.clock.now - timedelta(seconds=10))
    fields = {"stamp": stamp, "day": "mon", "zone": "UTC", "at": "07:00"}
    for i in range(60):
        pages.post("/subscribe", fields | {"email": f"one{i}@a{i}.example"})
    assert len(pages.desk.parts.store.letters.claim(pages.clock.now, 10_000)) == signup.PER_NETWORK[0]
    answers = []
    for i in range(400):
        client = browser(application, f"198.{i // 200}.{i % 200}.7")
        data = fields | {"email": f"many{i}@b{i}.example"}
        answers.append(client.post("/subscribe", data=data, headers=BROWSER).status_code)
    assert answers.count(200) == signup.OVERALL[0] - signup.PER_NETWORK[0]
    assert answers.count(429) == 400 - answers.count(200)
    pages.clock.forward(hours=1)
    assert pages.sign_up("honest@example.org").status_code == 200, "once it is over, nobody waits"


def test_when_almost_nobody_confirms_the_form_closes(pages: Site) -> None:
    store = pages.desk.parts.store
    for i in range(400):
        profile = Profile(f"v{i}@example.net", interests=Interests())
        store.signups.ask(f"t{i}", profile, Asked("", ""), pages.clock.now)
    assert pages.sign_up().status_code == 503
    pages.clock.forward(hours=7)
    assert pages.sign_up().status_code == 200


def test_programs_that_fill_every_field_or_are_too_quick_get_no_mail_sent(pages: Site) -> None:
    stamp = hidden(pages.get("/").text, "stamp")
    fields = {"email": ADA, "day": "mon", "stamp": stamp}
    assert pages.post("/subscribe", fields).status_code == 422
    pages.clock.forward(seconds=5)
    assert pages.post("/subscribe", fields | {"website": "http://x.example"}).status_code == 200
    assert pages.post("/subscribe", fields | {"stamp": stamp[:-1] + "x"}).status_code == 422
    assert pages.post("/subscribe", fields | {"stamp": ""}).status_code == 422
    pages.clock.forward(days=1)
    assert pages.post("/subscribe", fields).status_code == 422
    pages.post_letters()
    assert not pages.mails()


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("email", "nobody", "Address: "),
        ("zone", "Mars/Olympus", "Time zone: "),
        ("at", "25:00", "Hour: "),
        ("papers", "0", "Number of papers: "),
        ("papers", "many", "Number of papers: "),
        ("topic", "x" * 300, "Topics: "),
        ("language", "tlh", "Language: "),
    ],
)
def test_a_mistake_is_named_and_what_was_typed_is_kept(pages: Site, field: str, value: str, said: str) -> None:
    typed: dict[str, list[str]] = {"topic": ["keep me"], field: [value]}
    answer = pages.sign_up(typed.pop("email", [ADA])[0], **typed)
    assert answer.status_code == 422
    assert said in answer.text
    if field != "topic":
        assert 'value="keep me"' in answer.text
    assert not pages.mails()


def test_a_person_of_the_roster_who_confirms_decides_for_themselves_from_then_on(tmp_path: Path) -> None:
    roster = "subscribers: [{email: ada@example.org, topics: [the operator's choice], at: '23:00'}]"
    with site(tmp_path, roster=roster) as pages:
        pages.desk.parts.store.readers.leave(pages.desk.tokens_of(ADA)[0], pages.clock.now)
        pages.subscribe(topic=["my own"])
        pages.run()
        person = pages.desk.parts.store.subscribers.get(ADA)
        assert person
        assert person.origin is Origin.WEB
        assert person.interests.topics == (Topic("my own"),)


def test_the_links_again_for_people_without_any_mail(pages: Site) -> None:
    pages.subscribe()
    seen = len(pages.mails())
    assert "on its way" in pages.post("/link", {"email": "ADA@example.org"}).text
    pages.post_letters()
    assert len(pages.mails()) == seen + 1
    assert f"{PUBLIC}/preferences/" in pages.mails()[-1]
    assert f"{PUBLIC}/unsubscribe/" in pages.mails()[-1]


def test_without_a_public_address_there_is_nothing_to_confirm_at(tmp_path: Path) -> None:
    with site(tmp_path) as pages:
        closed = signup.admit(_without_web(pages), ADA, "")
        assert closed is signup.Gate.CLOSED


def _without_web(pages: Site):  # type: ignore[no-untyped-def]
    from dataclasses import replace

    return replace(pages.desk, site=replace(pages.desk.site, web=False))
