"""What a reader gets on which day."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from digest.compose import Links, Site, Verb, Writer, Written, template_folder
from digest.compose.page import BUDGET
from digest.compose.text import width
from digest.models import Digest, Reason, ReasonKind, Section, Signal, Topic
from tests import compose_days as days
from tests.make import NOON, a_digest, a_paper, a_pick, a_subscriber, interests

URL = "https://digest.example.org"
SITE = Site("Paper Digest <digest@example.org>", public_url=URL, postal_address="Example Lab, 1 Sample Road")
LINKS = Links(URL, ["k" * 32])
WRITER = Writer([template_folder()], SITE, LINKS)
WITHOUT_WEB = Writer([template_folder()], replace(SITE, web=False), LINKS)


def write(digest: Digest) -> Written:
    return WRITER.write(digest)


def words_of(html: str) -> str:
    """HTML as one reads it."""
    body = re.sub(r"<(style|title)>.*?</\1>", "", html, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", body).split())


@pytest.mark.parametrize("day", ["full", "empty", "down"])
def test_a_digest_looks_as_it_did(day: str, snapshot: SnapshotAssertion) -> None:
    written = write(days.DAYS[day]())
    head = written.message.data.partition(b"\r\n\r\n")[0].decode().replace("\r\n", "\n")
    assert head == snapshot(name=f"{day} headers")
    assert written.text == snapshot(name=f"{day} text")
    assert written.html == snapshot(name=f"{day} html")


def test_the_masthead_says_day_and_measure() -> None:
    html = write(days.full_day()).html
    assert re.search(r"<h1[^>]*>Wednesday, February 4, 2026</h1>", html)
    assert "12 of 412 papers; 2 rising" in words_of(html)


@pytest.mark.parametrize(
    ("shown", "considered", "said"), [(1, 1, "1 of 1 paper"), (1, 2, "1 of 2 papers"), (2, 1, "2 of 2 papers")]
)
def test_one_paper_is_not_papers(shown: int, considered: int, said: str) -> None:
    picks = [a_pick() for _ in range(shown)]
    assert said in write(a_digest(*picks, considered=considered)).text.splitlines()


def test_a_card_says_all_that_is_known() -> None:
    paper = a_paper(
        title="A Title",
        tldr="In short.",
        abstract="At length.",
        authors=("A B", "C D", "E F", "G H", "I J"),
        organization="Example Institute",
        pdf_url="https://arxiv.org/pdf/1",
        code_url="https://github.com/example/x",
        project_url="https://example.org/x",
        huggingface_url="https://huggingface.co/papers/1",
    )
    pick = a_pick(paper, sources=("huggingface", "arxiv", "Letters"), signal=Signal(NOON, 1, 2, 3))
    written = write(a_digest(pick))
    for said in (" ".join(written.text.split()), " ".join(words_of(written.html).split())):
        assert "A Title" in said
        assert "In short." in said
        assert "At length." not in said, "the abstract would say it again"
        assert "A B, C D, E F and 2 more" in said
        for where in ("Example Institute", "Hugging Face", "arXiv cs.CL", "Letters", "Feb 4"):
            assert where in said
        assert "1 upvote" in said
        assert "2 comments" in said
        assert "3 GitHub stars" in said
    for url in (paper.url, paper.pdf_url, paper.code_url, paper.project_url, paper.huggingface_url):
        assert f'href="{url}"' in written.html
        assert written.text.count(f"{url}\n") == 1
    for verb in Verb:
        url = LINKS.feedback(days.READER.token, days.ISSUE, paper.id, verb)
        assert url not in written.html, "another reader's"


def test_in_the_text_long_addresses_stand_at_its_end_by_number() -> None:
    """Read aloud after each paper, they would drown the papers."""
    papers, _, links = write(days.full_day()).text.partition("\nFURTHER LINKS\n")
    assert "/feedback/" not in papers
    for number, pick in enumerate(days.full_day().picks, 1):
        card = pick.section is not Section.QUIETER
        assert (f"\n{f'{number}.':<4}{pick.paper.title[:40]}" in papers) is card
        assert (f"\n{f'{number}.':<4}{pick.paper.title[:40]}" in links) is card
        assert pick.paper.url in papers
        assert f"    PDF: {pick.paper.pdf_url}" in links or not card


def test_without_further_links_there_is_no_heading_for_them() -> None:
    assert "FURTHER LINKS" not in WITHOUT_WEB.write(days.digest_of(a_pick())).text


def test_feedback_links_are_the_reader_s_own() -> None:
    digest = days.full_day()
    written = write(digest)
    for pick in digest.picks:
        for verb in Verb:
            url = LINKS.feedback("q3v9k2", digest.issue, pick.paper.id, verb)
            assert (url in written.html) is (url in written.text) is (pick.section is not Section.QUIETER)


def test_where_no_author_is_named_none_can_be_hidden() -> None:
    written = write(a_digest(a_pick(a_paper(authors=()))))
    assert "Save" in written.html
    assert "Hide author" not in written.html
    assert "Hide author" not in written.text


def test_a_card_kept_for_another_reader_shows_nothing_of_them() -> None:
    """Cards are rendered once and shared."""
    paper = a_paper(title="Shared", tldr="About owls and mice.")
    mine, theirs = a_subscriber("a@example.org", token="mine"), a_subscriber("b@example.org", token="theirs")
    owls = a_pick(paper, reasons=(Reason(ReasonKind.TOPIC, "my owls", ("owls",)),))
    mice = a_pick(paper, reasons=(Reason(ReasonKind.TOPIC, "their mice", ("mice",)),))
    first = write(a_digest(owls, subscriber=mine)).html
    second = write(a_digest(mice, subscriber=theirs)).html
    assert re.findall(r"<mark[^>]*>(.*?)</mark>", first) == ["owls"]
    assert re.findall(r"<mark[^>]*>(.*?)</mark>", second) == ["mice"]
    assert "my owls" not in second
    assert write(a_digest(owls, subscriber=mine)).html == first


@pytest.mark.parametrize(
    ("reasons", "said"),
    [
        ([Reason(ReasonKind.TOPIC, "owls")], "It matches your topic “owls”."),
        (
            [Reason(ReasonKind.TOPIC, "owls"), Reason(ReasonKind.TOPIC, "mice")],
            "It matches your topics “owls” and “mice”.",
        ),
        ([Reason(ReasonKind.LIKED, "On Owls")], "It is close to “On Owls” from your liked papers."),
        ([Reason(ReasonKind.AUTHOR, "Mira Okonkwo")], "It is by Mira Okonkwo from your list of authors."),
        ([Reason(ReasonKind.CATEGORY, "cs.CL")], "It is in your category cs.CL."),
        ([Reason(ReasonKind.TRENDING, percentile=97.2)], "It is in the day’s top 3% by upvotes."),
        ([Reason(ReasonKind.TRENDING, percentile=100.0)], "It is in the day’s top 1% by upvotes."),
        ([Reason(ReasonKind.TRENDING, percentile=40, upvotes=1)], "It has 1 upvote."),
        ([Reason(ReasonKind.RISING, percentile=95)], "It is gaining upvotes faster than 95% of the day’s papers."),
        ([Reason(ReasonKind.SEEN, day=date(2026, 2, 2))], "It was in your digest of Feb 2 and is trending now."),
        (
            [Reason(ReasonKind.AUTHOR, "A B"), Reason(ReasonKind.CATEGORY, "cs.CL"), Reason(ReasonKind.TOPIC, "x")],
            "It is by A B from your list of authors and is in your category cs.CL.",
        ),
    ],
)
def test_a_reason_is_one_sentence(reasons: list[Reason], said: str) -> None:
    text = " ".join(write(a_digest(a_pick(reasons=tuple(reasons)))).text.split())
    assert said in text


@pytest.mark.parametrize(
    ("topic", "terms", "said"),
    [
        ("attention mechanisms", ["attention mechanism"], "It matches your topic “attention mechanisms”."),
        ("attention mechanisms", ["Mechanisms", "attention"], "It matches your topic “attention mechanisms”."),
        (
            "attention mechanisms",
            ["sparse attention", "key lookup"],
            "It matches your topic “attention mechanisms” through “sparse attention”, “key lookup”.",
        ),
        (
            "theory of mind in language models",
            ["language models", "model", "a", "b", "c"],
            "It matches your topic “theory of mind in language models” through “language models”, “a”, “b”.",
        ),
        ("theory of mind", ["Theory of Mind", "mind"], "It matches your topic “theory of mind”."),
        ("3D", ["3d"], "It matches your topic “3D”."),
        ("3D", ["Gaussian splats"], "It matches your topic “3D” through “Gaussian splats”."),
        ("AI", ["aircraft"], "It matches your topic “AI” through “aircraft”."),
        ("owls", [], "It matches your topic “owls”."),
    ],
)
def test_a_reason_names_the_words_that_the_topic_does_not(topic: str, terms: list[str], said: str) -> None:
    reason = Reason(ReasonKind.TOPIC, topic, tuple(terms))
    assert said in " ".join(write(a_digest(a_pick(reasons=(reason,)))).text.split())


def test_a_paper_without_reasons_gives_none() -> None:
    written = write(a_digest(a_pick(reasons=())))
    assert 'class="why"' not in written.html
    assert "It ." not in written.text


@pytest.mark.parametrize(
    ("digest", "subject"),
    [
        (a_digest(a_pick(a_paper(title="Owls"))), "Owls · Feb 4"),
        (a_digest(a_pick(a_paper(title="Owls")), a_pick()), "Owls and 1 more · Feb 4"),
        (a_digest(a_pick(a_paper(title="Owls"), section=Section.TRENDING)), "Trending: Owls · Feb 4"),
        (a_digest(a_pick(a_paper(title="Owls")), since=date(2026, 1, 29)), "Since Thursday: Owls · Feb 4"),
        (a_digest(a_pick(a_paper(title="Owls")), since=date(2026, 1, 12)), "Since Jan 12: Owls · Feb 4"),
        (days.empty_day(), "A quiet day: nothing new for you · Feb 4"),
        (
            a_digest(a_pick(a_paper(title="Owl " * 40)), a_pick()),
            "Owl Owl Owl Owl Owl Owl Owl Owl Owl Owl Owl Owl… and 1 more · Feb 4",
        ),
    ],
)
def test_a_subject_names_the_lead_paper_and_the_day(digest: Digest, subject: str) -> None:
    assert write(digest).subject == subject
    assert width(subject) <= 70


def test_the_preheader_goes_on_where_the_subject_ends() -> None:
    digest = a_digest(*(a_pick(a_paper(title=title)) for title in ("First", "Second", "Third", "Fourth")))
    assert "Also: Second · Third" in words_of(write(digest).html)


def test_a_catch_up_says_so() -> None:
    assert "This digest covers everything since Friday." in write(days.source_down()).text


def test_a_day_without_one_s_topics_says_so() -> None:
    assert "Nothing new on your topics today." in write(days.quiet_day()).text


def test_a_reader_without_interests_hears_nothing_of_topics() -> None:
    digest = a_digest(a_pick(section=Section.TRENDING), subscriber=a_subscriber(interests=interests()))
    assert "topics" not in write(digest).text


def test_the_status_line_tells_what_was_read_and_what_was_not() -> None:
    text = " ".join(write(days.source_down()).text.split())
    assert "Chosen from 36 papers. Read today: Hugging Face (33 new)." in text
    assert "arXiv could not be read, since Feb 2: no answer within 30 seconds." in text
    assert "Example Letters was read only in part (3 new): the feed ends in the middle of an entry." in text


def test_the_footer_has_every_way_out() -> None:
    written = write(days.full_day())
    for url in (LINKS.unsubscribe("q3v9k2"), LINKS.preferences("q3v9k2"), LINKS.webview("q3v9k2", days.ISSUE)):
        assert url in written.text
        assert url in written.html
    assert "Example Lab, 1 Sample Road" in written.html
    assert "ada@example.org" in written.html


def test_without_web_pages_nothing_links_to_them() -> None:
    for make in days.DAYS.values():
        written = WITHOUT_WEB.write(make())
        assert URL not in written.html
        assert URL not in written.text
        assert "mailto:digest@example.org?subject=unsubscribe" in written.html
        assert "write to digest@example.org" in " ".join(written.text.split())


def test_no_link_names_the_reader() -> None:
    written = write(days.full_day())
    urls = re.findall(r'(?:href|src)="([^"]*)"', written.html) + re.findall(r"https?://\S+", written.text)
    assert urls
    assert not any("ada" in url or "@example" in url for url in urls)


def test_forty_papers_keep_to_the_budget_with_some_in_short() -> None:
    written = write(days.forty_papers())
    assert 70_000 < len(written.html.encode()) <= BUDGET
    assert LINKS.unsubscribe("q3v9k2") in written.html
    titles = {pick.paper.title for pick in days.forty_papers().picks}
    assert all(title in words_of(written.html) or "Attention" in title or "Theory" in title for title in titles)


def hundreds(number: int = 400) -> Digest:
    return days.digest_of(
        *(a_pick(a_paper(title=f"{i} " + "long " * 60, abstract="word " * 500)) for i in range(number))
    )


def test_what_finds_no_place_is_counted_and_is_on_the_web() -> None:
    written = write(hundreds())
    assert 80_000 < len(written.html.encode()) <= BUDGET
    (left,) = re.findall(r"(\d+)\smore on the web", written.html)
    shown = len(re.findall(r'class="(?:title|line)" ', written.html)) - 1
    assert int(left) + shown == 400
    assert f"{left}\N{NO-BREAK SPACE}more on the web:\n{LINKS.webview('q3v9k2', days.ISSUE)}" in written.text


def test_what_finds_no_place_is_counted_without_web_too() -> None:
    assert re.search(r"\d+\smore not shown", WITHOUT_WEB.write(hundreds()).text)


def test_german_readers_read_german() -> None:
    subscriber = replace(days.READER, profile=replace(days.READER.profile, language="de"))
    written = write(replace(days.full_day(), subscriber=subscriber))
    assert '<html lang="de"' in written.html
    assert "Mittwoch, 4. Februar 2026" in written.html
    assert "FÜR DICH" in written.text
    assert "Die Arbeit passt durch „attention“ zu deinem Thema „attention mechanisms“" in " ".join(written.text.split())
    assert written.subject.endswith("und 11 weitere · 4. Feb.")


def test_thumbnails_come_only_when_asked_for_and_with_their_size() -> None:
    digest = a_digest(a_pick(a_paper(thumbnail_url="https://cdn.example.org/t.png")))
    assert "<img" not in write(digest).html
    html = Writer([template_folder()], replace(SITE, thumbnails=True), LINKS).write(digest).html
    (image,) = re.findall(r"<img[^>]*>", html)
    for attribute in ('src="https://cdn.example.org/t.png"', "width=", "height=", 'alt="Preview of the paper"'):
        assert attribute in image


def test_text_lines_stay_within_72_columns_but_for_addresses() -> None:
    for make in days.DAYS.values():
        for each in write(make()).text.splitlines():
            assert width(each) <= 72 or "://" in each


MAILS: dict[str, dict[str, Any]] = {
    "confirm": {},
    "welcome": {},
    "preferences": {},
    "goodbye": {},
    "alert": {"headline": "The relay refused the login", "problems": ["535 5.7.8 authentication failed"]},
}


@pytest.mark.parametrize("kind", MAILS)
@pytest.mark.parametrize("language", ["en", "de"])
def test_the_other_mails_look_as_they_did(kind: str, language: str, snapshot: SnapshotAssertion) -> None:
    subscriber = a_subscriber(
        "ada@example.org",
        token="q3v9k2",
        name="Ada",
        language=language,
        interests=interests("owls", authors=("Mira Okonkwo",)),
    )
    to = "operator@example.org" if kind == "alert" else subscriber
    data = WRITER.mail(kind, to, at=NOON, language=language, **MAILS[kind]).data
    assert data.decode().replace("\r\n", "\n") == snapshot


def test_a_confirmation_repeats_nothing_that_a_stranger_may_have_typed() -> None:
    """Sign-up forms have been used to send spam in the name field."""
    subscriber = a_subscriber("ada@example.org", name="BUY NOW spam.example", interests=interests("BUY NOW"))
    assert b"BUY" not in WRITER.mail("confirm", subscriber, at=NOON).data


def test_a_preferences_link_that_was_asked_for_is_dated() -> None:
    subscriber = a_subscriber(token="q3v9k2")
    data = WRITER.mail("preferences", subscriber, at=NOON).data.replace(b"=\r\n", b"")
    assert LINKS.preferences("q3v9k2", NOON).encode() in data


def test_a_long_list_of_interests_fits_a_welcome() -> None:
    many = interests(*(f"topic {i} " + "x" * 300 for i in range(200)))
    subscriber = a_subscriber(interests=replace(many, topics=(*many.topics, Topic("y"))))
    assert len(WRITER.mail("welcome", subscriber, at=NOON).data) < 20_000
