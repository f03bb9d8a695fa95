"""Preferences, feedback, looking back, and one's own data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from digest.models import Origin, Subscriber, SubscriberState, Topic, WhenQuiet
from digest.store.census import KEEP_DIGESTS, KEEP_NETWORKS
from digest.subscription import citations, rights
from tests.make import a_paper
from tests.web_site import PUBLIC, WEEK, Fields, Site, site

ADA = "ada@example.org"
ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[Site]:
    """Ada is subscribed to theory of mind at seven in Berlin, and got today's digest."""
    with site(tmp_path) as opened:
        opened.subscribe(ADA)
        opened.run()
        yield opened


def ada(pages: Site) -> Subscriber:
    person = pages.desk.parts.store.subscribers.get(ADA)
    assert person
    return person


def footer_link(pages: Site) -> str:
    """The link in a digest's footer: no date, so that it tunes, and no more."""
    return pages.desk.links.preferences(ada(pages).token).removeprefix(PUBLIC)


def fresh_link(pages: Site) -> str:
    """A link that was mailed on request."""
    pages.post(f"{footer_link(pages)}/link")
    pages.post_letters()
    return pages.link("preferences")


def archive(pages: Site, path: str = "") -> str:
    return pages.desk.links.archive(ada(pages).token).removeprefix(PUBLIC) + path


FORM = {
    "topic": ["robotics", "theory of mind", ""],
    "weight": ["2.0", "0.5", "1.0"],
    "authors": "Mira Okonkwo\n\n Jun Halvorsen ",
    "categories": "cs.CL, cs.RO",
    "liked": "https://arxiv.org/abs/9901.00015v2",
    "mute": "survey",
    "day": ["mon", "fri"],
    "zone": "Asia/Tokyo",
    "at": "18:15",
    "papers": "7",
    "language": "de",
    "when_quiet": "silence",
    "again": "1",
}


def test_everything_in_the_form_is_taken_over(pages: Site) -> None:
    answer = pages.post(footer_link(pages), FORM)
    assert answer.status_code == 303
    person = ada(pages)
    assert person.interests.topics == (Topic("robotics", 2.0), Topic("theory of mind", 0.5))
    assert person.interests.authors == ("Mira Okonkwo", "Jun Halvorsen")
    assert person.interests.categories == ("cs.CL", "cs.RO")
    assert person.interests.liked == ("9901.00015",)
    assert person.interests.muted == ("survey",)
    assert (person.schedule.zone, person.schedule.days) == ("Asia/Tokyo", frozenset({0, 4}))
    assert (person.profile.papers, person.profile.language) == (7, "de")
    assert (person.profile.when_quiet, person.profile.again) == (WhenQuiet.SILENCE, True)
    page = pages.get(footer_link(pages)).text
    assert re.findall(r'<option value="(\w+)" selected>Gar nichts schicken', page) == ["silence"], "in German now"
    assert 'name="again" value="1" checked' in page
    assert person.next_due_at
    assert person.next_due_at.isoformat() == "2026-02-06T09:15:00+00:00", "Friday, 18:15 in Tokyo"
    page = pages.get(footer_link(pages)).text
    assert "9901.00015: <bdi>Causal Video Diffusion" in page


def test_a_link_does_not_change_the_address(pages: Site) -> None:
    pages.post(footer_link(pages), FORM | {"email": "mallory@example.org", "name": "Mallory"})
    assert ada(pages).email == ADA
    assert pages.desk.parts.store.subscribers.get("mallory@example.org") is None


def test_a_forwarded_link_does_not_tell_the_address(pages: Site) -> None:
    assert ADA not in pages.get(footer_link(pages)).text


def test_a_mistake_changes_nothing_and_keeps_what_was_typed(pages: Site) -> None:
    before = ada(pages)
    answer = pages.post(footer_link(pages), FORM | {"categories": "not a category!"})
    assert answer.status_code == 422
    assert "Categories: they are written like cs.CL" in answer.text
    assert 'value="robotics"' in answer.text
    assert ada(pages) == before


def test_the_preview_shows_what_saving_would_bring_and_saves_nothing(pages: Site) -> None:
    before = ada(pages)
    text = pages.post(f"{footer_link(pages)}/preview/part", FORM).text
    assert "matches your topic “robotics”" in text or "entspricht" in text or "Thema" in text
    assert ada(pages) == before


def test_who_tunes_on_the_web_is_no_longer_changed_by_the_roster(tmp_path: Path) -> None:
    roster = "subscribers: [{email: ada@example.org, topics: [the operator's choice]}]"
    with site(tmp_path, roster=roster) as pages:
        pages.post(footer_link(pages), FORM)
        pages.program.roster(roster.replace("choice", "second choice"))
        pages.run()
        assert ada(pages).origin is Origin.WEB
        assert ada(pages).interests.topics[0] == Topic("robotics", 2.0)


def test_who_named_more_papers_in_the_roster_than_a_form_takes_can_still_tune(tmp_path: Path) -> None:
    liked = [f"2401.{number:05}" for number in range(300)]
    with site(tmp_path, roster=f"subscribers: [{{email: ada@example.org, liked: {liked}}}]") as pages:
        assert pages.post(footer_link(pages), FORM | {"liked": "\n".join(liked)}).status_code == 303
        assert ada(pages).interests.liked == tuple(liked)
        more = pages.post(footer_link(pages), FORM | {"liked": "\n".join([*liked, "2402.00001"])})
        assert "Arbeiten, die dir gefielen: höchstens 300" in more.text


def test_whatever_was_said_of_papers_can_be_taken_back(pages: Site) -> None:
    """However much that is."""
    store = pages.desk.parts.store
    papers = [paper.id for paper in store.papers.newest(60)]
    for paper in papers:
        store.feedback.add(ada(pages).id, paper, "more", pages.clock.now)
    page = pages.get(footer_link(pages)).text
    assert len(papers) == 60
    assert all(f'name="paper" value="{paper}"' in page for paper in papers)


@pytest.mark.parametrize("until", ["2026-02-03", "2026-02-04", "2028-01-01", "tomorrow"])
def test_a_pause_that_makes_no_sense_is_refused(pages: Site, until: str) -> None:
    assert pages.post(f"{footer_link(pages)}/pause", {"until": until}).headers["location"].endswith("done=pause")
    assert ada(pages).state is SubscriberState.ACTIVE


def test_a_pause_ends_by_itself(pages: Site) -> None:
    pages.post(f"{footer_link(pages)}/pause", {"until": "2026-02-06"})
    assert ada(pages).paused_until == date(2026, 2, 6)
    pages.clock.forward(days=2, hours=2)
    pages.run()
    assert ada(pages).state is SubscriberState.ACTIVE


def test_an_open_pause_lasts_until_it_is_ended(pages: Site) -> None:
    pages.post(f"{footer_link(pages)}/pause", {"until": ""})
    assert ada(pages).state is SubscriberState.PAUSED
    pages.post(f"{footer_link(pages)}/resume")
    assert ada(pages).state is SubscriberState.ACTIVE


# ---- feedback --------------------------------------------------------------------------------------------------------


def test_more_says_what_it_changes_and_can_be_taken_back(pages: Site) -> None:
    link = pages.feedback()
    answer = pages.post(link, {"word": "more"}).text
    assert "You will see more like this" in answer
    [said] = pages.desk.parts.store.shelf.opinions(ada(pages).id)
    assert said.verb == "more"
    assert said.paper.title in pages.get(footer_link(pages)).text
    pages.post(link, {"word": "more"})
    events = pages.desk.parts.store.shelf.records(ada(pages).id)["feedback"]
    assert len(events) == 1, "saying it twice is saying it once"
    pages.post(f"{footer_link(pages)}/undo", {"paper": said.paper.id})
    assert not pages.desk.parts.store.shelf.opinions(ada(pages).id)


def test_a_hidden_authors_papers_are_not_picked_again(pages: Site) -> None:
    link = pages.feedback("Hide author")
    asked = pages.get(link).text
    assert asked.count("<button") == 1
    name = re.search(r'name="hide" value="([^"]+)" required', asked)
    assert name
    assert f"no paper by <em>{name[1]}</em> is picked for you" in pages.post(link, {"hide": name[1]}).text
    assert ada(pages).interests.muted_authors == (name[1],)
    form = {"topic": ["theory of mind"], "mute_authors": name[1], "day": list(WEEK)}
    preview = pages.post(f"{footer_link(pages)}/preview/part", form)
    assert name[1] not in preview.text
    pages.post(link, {"show": name[1]})
    assert not ada(pages).interests.muted_authors


def test_hiding_nobody_changes_nothing(pages: Site) -> None:
    """The page asks which author; a program that presses without choosing gets an answer, and no more."""
    assert pages.post(pages.feedback("Hide author")).status_code == 400
    assert not ada(pages).interests.muted_authors


def test_a_preview_does_not_recommend_what_the_reader_named(pages: Site) -> None:
    """A paper is close to itself, which is no news to whoever liked it."""
    link = footer_link(pages)
    form = {"topic": ["theory of mind"], "day": list(WEEK)}
    found = re.search(
        r'<h4 class="title" dir="auto"><a href="https://arxiv.org/abs/([^"]+)"', preview_of(pages, link, form)
    )
    assert found
    for field in ("liked", "disliked"):
        assert found[1] not in preview_of(pages, link, {**form, field: found[1]})


def preview_of(pages: Site, link: str, form: Fields) -> str:
    return pages.post(f"{link}/preview/part", form).text


def test_only_this_papers_authors_can_be_hidden_by_its_link(pages: Site) -> None:
    assert pages.post(pages.feedback(), {"hide": "Somebody Else"}).status_code == 400
    assert not ada(pages).interests.muted_authors


def test_the_feedback_page_changes_nothing_until_a_button_is_pressed(pages: Site) -> None:
    before = pages.dump()
    assert pages.get(pages.feedback()).status_code == 200
    assert pages.dump() == before


# ---- looking back ----------------------------------------------------------------------------------------------------


def test_an_issue_in_the_browser_has_the_papers_of_the_mail(pages: Site) -> None:
    page = pages.get(pages.link("issue")).text
    digest = pages.desk.parts.store.deliveries.find(ada(pages).id, date(2026, 2, 4))
    assert digest
    assert digest[1]
    assert page.count('<article class="card">') == len(digest[1].picks)
    titles = r'<h3 class="title".*?</h3>'
    assert re.findall(titles, page) == re.findall(titles, pages.get(archive(pages, "/2026-02-04")).text) != []


def test_the_archive_lists_issues_and_does_not_open_the_preferences(pages: Site) -> None:
    text = pages.get(archive(pages)).text
    assert "Wednesday, February 4, 2026" in text
    signed = archive(pages).removeprefix("/archive/")
    assert pages.get(f"/preferences/{signed}").status_code == 404
    assert pages.get(archive(pages, "/2026-02-03")).status_code == 410
    assert pages.get(archive(pages, "/yesterday")).status_code == 404


def test_nothing_in_the_archive_leads_to_what_changes_something(pages: Site) -> None:
    """Its link is what feed readers keep, and is not worth more than what it shows."""
    pages.post(pages.feedback(), {"word": "save"})
    shown = [pages.get(archive(pages, path)).text for path in ("", "/saved", "/2026-02-04", "/feed.atom")]
    assert "theory of mind" in shown[2].lower()
    assert not re.findall(r"/(?:feedback|preferences|unsubscribe|not-me|confirm)/", "".join(shown))


def test_saved_papers_go_to_bibtex_and_ris(pages: Site) -> None:
    pages.post(pages.feedback(), {"word": "save"})
    [said] = pages.desk.parts.store.shelf.saved(ada(pages).id)
    assert said.paper.title in pages.get(archive(pages, "/saved")).text
    bib = pages.get(archive(pages, "/saved.bib"))
    assert "attachment" in bib.headers["content-disposition"]
    assert f"eprint = {{{said.paper.id}}}" in bib.text
    ris = pages.get(archive(pages, "/saved.ris")).text
    assert ris.startswith("TY  - ")
    assert ris.rstrip().endswith("ER  -")


def test_names_and_titles_cannot_break_bibtex() -> None:
    paper = a_paper(title="100% of {Braces} & \\write18", authors=("A. Müller", "O}Brien"), doi="10.1/a_b")
    [entry] = citations.bibtex([paper]).split("@misc")[1:]
    assert entry.count("{") - entry.count(r"\{") == entry.count("}") - entry.count(r"\}")
    assert r"100\% of \{Braces\} \& \textbackslash{}write18" in entry
    assert "doi = {10.1/a\\_b}" in entry


def test_two_papers_never_share_a_bibtex_key() -> None:
    twins = [a_paper(title="The same", authors=("Ada Example",)) for _ in range(3)]
    keys = re.findall(r"@misc\{(.*),", citations.bibtex(twins))
    assert keys == ["example2026same", "example2026same-2", "example2026same-3"]


@pytest.mark.parametrize("whose", ["trending", "personal"])
def test_a_feed_is_sound_atom(pages: Site, whose: str) -> None:
    path = "/trending.atom" if whose == "trending" else archive(pages, "/feed.atom")
    answer = pages.get(path)
    assert answer.headers["content-type"].startswith("application/atom+xml")
    feed = ET.fromstring(answer.text)
    entries = feed.findall(f"{ATOM}entry")
    assert len(entries) > 5
    ids = [entry.findtext(f"{ATOM}id") for entry in entries]
    assert len(set(ids)) == len(ids)
    for element in [feed, *entries]:
        assert element.findtext(f"{ATOM}title")
        assert str(element.findtext(f"{ATOM}updated")).endswith("Z")


def test_a_day_of_trending_papers_stays_to_be_read(pages: Site) -> None:
    pages.clock.forward(days=3)
    page = pages.get("/trending/2026-02-04")
    assert page.status_code == 200
    assert "Four Rollouts Are Enough" in page.text
    assert pages.get("/trending/2026-02-09").status_code == 404
    assert pages.get("/trending/1999-01-01").status_code == 404


# ---- one's own data --------------------------------------------------------------------------------------------------


def test_export_and_deletion_need_a_fresh_link(pages: Site) -> None:
    for action in ("export", "erase"):
        assert pages.post(f"{footer_link(pages)}/{action}", {"sure": "1"}).status_code == 410
    fresh = fresh_link(pages)
    assert pages.post(f"{fresh}/export").status_code == 200
    pages.clock.forward(hours=1, minutes=1)
    assert pages.post(f"{fresh}/export").status_code == 410
    assert pages.get(fresh).status_code == 200, "it still tunes"


def test_the_export_holds_everything(pages: Site) -> None:
    pages.post(pages.feedback(), {"word": "more"})
    everything = pages.post(f"{fresh_link(pages)}/export").json()
    assert everything["profile"]["email"] == ADA
    assert everything["consents"][0]["asked_from"] == "203.0.113.0/24"
    assert everything["deliveries"][0]["papers"]
    assert everything["feedback"][0]["verb"] == "more"


@pytest.mark.parametrize("never", ["", "1"])
def test_deleting_leaves_nothing_but_a_hash_if_asked_for(pages: Site, never: str) -> None:
    pages.post(pages.feedback(), {"word": "more"})
    token = ada(pages).token
    assert pages.post(f"{fresh_link(pages)}/erase", {"sure": "1", "never": never}).status_code == 200
    left = repr(pages.dump())
    assert ADA not in left
    assert (token in left) is bool(never)
    pages.clock.forward(days=2)
    pages.sign_up()
    assert ("Please confirm" in pages.mails()[-1]) is not bool(never)


def test_who_unsubscribed_can_still_have_the_rest_deleted(pages: Site) -> None:
    pages.post(pages.link("unsubscribe"), {"List-Unsubscribe": "One-Click"})
    pages.post("/link", {"email": ADA})
    pages.post_letters()
    link = pages.link("preferences")
    assert pages.post(link, FORM).status_code == 410, "there is nothing to tune"
    assert "Delete me" in pages.get(link).text
    assert pages.post(f"{link}/erase", {"sure": "1"}).status_code == 200
    assert ADA not in repr(pages.dump())


def test_deleting_needs_the_box_ticked(pages: Site) -> None:
    assert pages.post(f"{fresh_link(pages)}/erase").status_code == 422
    assert ada(pages).state is SubscriberState.ACTIVE


def test_the_roster_does_not_bring_back_who_was_deleted(tmp_path: Path) -> None:
    roster = "subscribers: [{email: ada@example.org}]"
    with site(tmp_path, roster=roster) as pages:
        pages.post(f"{fresh_link(pages)}/erase", {"sure": "1"})
        pages.program.roster(roster + "  # touched")
        pages.run()
        assert pages.desk.parts.store.subscribers.get(ADA) is None


def test_what_the_privacy_page_promises_to_forget_is_forgotten(pages: Site) -> None:
    pages.sign_up("unconfirmed@example.org")
    promised = pages.get("/privacy").text
    assert f"{KEEP_NETWORKS.days} days" in promised
    assert f"{KEEP_DIGESTS.days} days" in promised
    assert f"{rights.KEPT['signup']} days" in promised
    pages.clock.forward(days=rights.KEPT["signup"] + 1)
    rights.forget(pages.desk.parts)
    assert "unconfirmed@example.org" not in repr(pages.dump())
    pages.clock.now += KEEP_NETWORKS
    rights.forget(pages.desk.parts)
    assert "203.0.113" not in repr(pages.dump())
    assert pages.get(archive(pages, "/2026-02-04")).status_code == 200
    pages.clock.now += KEEP_DIGESTS - KEEP_NETWORKS
    rights.forget(pages.desk.parts)
    assert pages.get(archive(pages, "/2026-02-04")).status_code == 410
    assert pages.desk.parts.store.deliveries.seen([ada(pages).id], date(2026, 1, 1))[ada(pages).id]


def test_a_deleted_readers_links_say_so(pages: Site) -> None:
    links = [footer_link(pages), archive(pages), pages.link("issue"), pages.feedback()]
    pages.post(f"{fresh_link(pages)}/erase", {"sure": "1"})
    assert [pages.get(link).status_code for link in links] == [410] * 4
