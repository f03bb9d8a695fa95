"""arXiv's feed and API. The answers here are invented, in the form of the real ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from digest.models import ListingKind
from digest.sources import Client, Limits, Pull, Task
from digest.sources.arxiv import Arxiv, announcement, due, opened, parse, parse_page
from tests.data.sources.upstream import Reply, serving
from tests.make import NOON

CATEGORIES = ("cs.AI", "cs.CL")
TODAY = datetime(2026, 2, 4, 5, tzinfo=UTC)
"""Midnight in New York of the Wednesday of NOON."""
QUICK = Limits(connect=1, read=0.5, total=1, retries=0, backoff=0)


def an_item(number: int = 1, how: str = "new", title: str = "On Invented $\\alpha$ Papers") -> str:
    return (
        f"<item><title>{title}</title><link>https://arxiv.org/abs/2602.{number:05d}</link><description>"
        f"arXiv:2602.{number:05d}v1 Announce Type: {how} \nAbstract: We invent, with p &lt; 0.05.</description>"
        f'<guid isPermaLink="false">oai:arXiv.org:2602.{number:05d}v1</guid><category>cs.CL</category>'
        f"<category>cs.AI</category><pubDate>Wed, 04 Feb 2026 00:00:00 -0500</pubDate>"
        f"<arxiv:announce_type>{how}</arxiv:announce_type>"
        f"<dc:creator>Ada Example, Bo Sample (Institute, Town),  Cher, Dan Fourth, Jr.</dc:creator></item>"
    )


def a_feed(*items: str, day: str = "Wed, 04 Feb 2026 00:00:00 -0500", about: str = "") -> bytes:
    return (
        "<?xml version='1.0' encoding='UTF-8'?>\n"
        '<rss xmlns:arxiv="http://arxiv.org/schemas/atom" xmlns:dc="http://purl.org/dc/elements/1.1/" version="2.0">'
        f"<channel><title>{'Feed error for query: x' if about else 'cs.CL updates on arXiv.org'}</title>"
        f"<description>{about or 'cs.CL updates'}</description><pubDate>{day}</pubDate>{''.join(items)}</channel></rss>"
    ).encode()


def an_entry(number: int, submitted: str = "2026-02-02T10:00:00Z", primary: str = "cs.CL") -> str:
    return (
        f"<entry><id>http://arxiv.org/abs/2602.{number:05d}v2</id><title>An\n  Invented Paper</title>"
        f'<link href="https://arxiv.org/abs/2602.{number:05d}v2" rel="alternate" type="text/html"/>'
        f"<summary>  We invent.\n  And more.</summary><published>{submitted}</published>"
        f'<category term="cs.AI"/><arxiv:primary_category term="{primary}"/><arxiv:doi>10.1000/ABC</arxiv:doi>'
        "<author><name>Ada Example</name></author><author><name>Bo Sample</name></author></entry>"
    )


def a_page(*entries: str, total: int | None = None) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?><feed xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/" '
        'xmlns:arxiv="http://arxiv.org/schemas/atom" xmlns="http://www.w3.org/2005/Atom"><title>arXiv Query</title>'
        f"<opensearch:totalResults>{len(entries) if total is None else total}</opensearch:totalResults>"
        f"{''.join(entries)}</feed>"
    ).encode()


AN_ERROR = a_page(
    "<entry><id>https://arxiv.org/api/errors#incorrect_id_format_for_x</id><title>Error</title>"
    "<summary>incorrect id format for x</summary></entry>"
)


def test_an_item_of_the_day_s_feed() -> None:
    (listing,), announced, problem = parse(a_feed(an_item()))
    paper = listing.paper
    assert (announced, problem, listing.listed_at, listing.kind) == (TODAY, "", TODAY, ListingKind.NEW)
    assert (paper.id, paper.title, paper.abstract) == (
        "2602.00001",
        "On Invented α Papers",
        "We invent, with p < 0.05.",
    )
    assert paper.authors == ("Ada Example", "Bo Sample", "Cher", "Dan Fourth, Jr.")
    assert paper.categories == ("cs.CL", "cs.AI")
    assert (paper.url, paper.pdf_url) == ("https://arxiv.org/abs/2602.00001", "https://arxiv.org/pdf/2602.00001")
    assert paper.published is None


@pytest.mark.parametrize(
    ("how", "kind"),
    [("new", "new"), ("cross", "cross"), ("replace", "update"), ("replace-cross", "update"), ("withdrawn", "update")],
)
def test_a_new_version_is_no_news(how: str, kind: str) -> None:
    (listing,), _, _ = parse(a_feed(an_item(how=how)))
    assert listing.kind == kind


def test_one_odd_item_never_spoils_the_others() -> None:
    odd = ["<item></item>", "<item><title>No id</title></item>", "<item><guid>oai:arXiv.org:2602.00009v1</guid></item>"]
    listings, _, problem = parse(a_feed(*odd, an_item()))
    assert ([listing.paper.id for listing in listings], problem) == (["2602.00001"], "")


def test_of_a_feed_that_breaks_off_whole_items_are_kept() -> None:
    whole = a_feed(an_item(1), an_item(2), an_item(3))
    listings, announced, problem = parse(whole[: whole.index(b"2602.00003v1 Announce") + 60])
    assert [listing.paper.id for listing in listings] == ["2602.00001", "2602.00002"]
    assert (announced, problem) == (TODAY, "answered with a feed that breaks off after 2 entries")


def test_an_empty_feed_is_a_weekend_and_no_failure() -> None:
    assert parse(a_feed(day="Sat, 07 Feb 2026 00:00:00 -0500")) == ([], datetime(2026, 2, 7, 5, tzinfo=UTC), "")


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"<!doctype html><title>Down</title>", "answered with a web page instead of a feed"),
        (b"\x93\x00\xff" * 3000, "answered with something that is not a feed"),
        (b"", "answered with something that is not a feed"),
        (b"/etc/hostname", "answered with something that is not a feed"),
        (a_feed(about="Bad archive 'zz'"), "Bad archive 'zz'"),
    ],
)
def test_what_is_no_feed_is_told(body: bytes, problem: str) -> None:
    assert parse(body) == ([], None, problem)


def test_an_entry_of_the_api() -> None:
    page = parse_page(a_page(an_entry(1), total=9))
    paper = page.papers[0]
    assert (page.entries, page.total, page.problem) == (1, 9, "")
    assert (paper.id, paper.title, paper.abstract) == ("2602.00001", "An Invented Paper", "We invent.\nAnd more.")
    assert (paper.categories, paper.doi) == (("cs.CL", "cs.AI"), "10.1000/abc")
    assert paper.published == datetime(2026, 2, 2, 10, tzinfo=UTC)


def test_an_error_of_the_api_is_no_paper() -> None:
    page = parse_page(AN_ERROR)
    assert (page.papers, page.refused, page.problem) == ((), True, "refused the query: incorrect id format for x")


def eastern(day: int, hour: int) -> datetime:
    """A day of February 2026 in New York."""
    return (
        datetime(2026, 2, day, hour + 5, tzinfo=UTC) if hour < 19 else datetime(2026, 2, day + 1, hour - 19, tzinfo=UTC)
    )


@pytest.mark.parametrize(
    ("submitted", "announced"),
    [
        (eastern(2, 13), 3),  # Monday before the deadline: in Tuesday's feed
        (eastern(2, 14), 4),
        (eastern(5, 15), 9),  # Thursday after the deadline: announced on Sunday evening, in Monday's feed
        (eastern(6, 13), 9),
        (eastern(6, 15), 10),  # Friday after the deadline, and the weekend: in Tuesday's
        (eastern(7, 12), 10),
        (eastern(8, 20), 10),
    ],
)
def test_arxiv_s_calendar(submitted: datetime, announced: int) -> None:
    at = announcement(submitted)
    assert at == eastern(announced, 0)
    assert opened(at) <= submitted


def test_what_was_announced_since() -> None:
    assert due(None, NOON) == [TODAY]
    assert due(TODAY, NOON) == []
    assert due(TODAY, TODAY + timedelta(days=6)) == [eastern(day, 0) for day in (5, 6, 9, 10)]
    assert due(None, datetime(2026, 2, 8, 12, tzinfo=UTC)) == [eastern(6, 0)]
    assert due(datetime(2026, 7, 3, 4, tzinfo=UTC), datetime(2026, 7, 6, 4, tzinfo=UTC)) == [
        datetime(2026, 7, 6, 4, tzinfo=UTC)  # daylight saving time
    ]
    assert len(due(NOON - timedelta(days=300), NOON)) == 23  # no further back than 30 days


def asked(path: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}


def pull(
    feed: Reply,
    *pages: Reply,
    now: datetime = NOON,
    since: datetime | None = TODAY,
    begun: datetime | None = None,
) -> tuple[Pull, list[str]]:
    """Against an upstream with this feed and these pages of the API, in that order; also the paths asked for."""
    turns: list[tuple[str, float]] = []
    rest = list(pages)
    with serving() as upstream, Client(pace=lambda *turn: turns.append(turn), limits=QUICK) as client:
        upstream.answer = lambda path: feed if path.startswith("/rss") else rest.pop(0)
        found = Arxiv(upstream.url, upstream.url).pull(client, Task(now, since, CATEGORIES, begun))
    assert turns == [("arxiv", 3.0)] * len(upstream.asked)
    assert rest == []
    return found, upstream.asked


def test_one_request_serves_all_categories() -> None:
    found, paths = pull(Reply(a_feed(an_item(1), an_item(2, "cross"))))
    assert paths == ["/rss/cs.AI+cs.CL"]
    assert ([each.paper.id for each in found.listings], found.failure) == (["2602.00001", "2602.00002"], "")
    assert (found.covered_until, found.requests) == (NOON, 1)


def test_missed_announcements_come_from_the_api_page_by_page() -> None:
    pages = [
        Reply(a_page(an_entry(10), an_entry(11, primary="stat.ML"), total=4)),
        Reply(a_page(an_entry(1), total=4)),
        Reply(a_page(an_entry(12, "2026-02-04T10:00:00Z"), total=4)),
    ]
    found, paths = pull(Reply(a_feed(an_item(1))), *pages, since=eastern(2, 7))
    query = asked(paths[1])
    assert query["search_query"] == (
        "submittedDate:[202601301900 TO 202602041200] AND (cat:cs.AI OR cat:cs.CL)"  # from Friday 14:00 in New York
    )
    assert [asked(path)["start"] for path in paths[1:]] == ["0", "2", "3"]
    listed = {each.paper.id: (each.kind, each.listed_at) for each in found.listings}
    assert listed == {
        "2602.00001": (ListingKind.NEW, TODAY),  # from the feed, once
        "2602.00010": (ListingKind.NEW, eastern(3, 0)),
        "2602.00011": (ListingKind.CROSS, eastern(3, 0)),
    }  # what was submitted today is announced tomorrow
    assert (found.failure, found.covered_until) == ("", NOON)


@pytest.mark.parametrize(
    ("since", "feed", "begun", "asked_from"),
    [
        (eastern(3, 7), "Wed, 04 Feb 2026 00:00:00 -0500", 300, None),
        (eastern(3, 7), "Tue, 03 Feb 2026 00:00:00 -0500", 300, "202602021900"),
        (eastern(2, 7), "Wed, 04 Feb 2026 00:00:00 -0500", 300, "202601231900"),
        (eastern(2, 7), "Wed, 04 Feb 2026 00:00:00 -0500", 6, "202601291200"),
        (eastern(2, 7), "Wed, 04 Feb 2026 00:00:00 -0500", 2, "202601301900"),
    ],
    ids=["nothing missed", "the feed is late", "one was missed", "a young store", "younger than that"],
)
def test_a_missed_announcement_may_have_held_what_was_submitted_days_before(
    since: datetime, feed: str, begun: int, asked_from: str | None
) -> None:
    """After a holiday, or from a moderator's hands: submitted on the Tuesday before, announced on this one."""
    held = [Reply(a_page(an_entry(10, "2026-01-27T10:00:00Z")))] if asked_from else []
    feeds = Reply(a_feed(an_item(1), day=feed))
    found, paths = pull(feeds, *held, since=since, begun=NOON - timedelta(days=begun))
    assert [asked(path)["search_query"][15:27] for path in paths[1:]] == ([asked_from] if asked_from else [])
    assert found.covered_until == NOON


def test_an_empty_page_in_mid_answer_is_asked_again() -> None:
    empty, rest = Reply(a_page(total=2)), Reply(a_page(an_entry(11), total=2))
    found, _ = pull(Reply(a_feed()), Reply(a_page(an_entry(10), total=2)), empty, rest, since=eastern(2, 7))
    assert (len(found.listings), found.failure, found.covered_until) == (2, "", NOON)


def test_a_page_that_stays_empty_is_a_failure_and_what_came_is_kept() -> None:
    empty = Reply(a_page(total=2))
    found, _ = pull(Reply(a_feed()), Reply(a_page(an_entry(10), total=2)), empty, empty, since=eastern(2, 7))
    assert (len(found.listings), found.failure) == (1, "stopped after 1 of 2 papers")
    assert found.covered_until == eastern(2, 7)


def test_the_first_pull_on_a_weekend_brings_friday_s_announcement() -> None:
    sunday = datetime(2026, 2, 8, 12, tzinfo=UTC)
    page = Reply(a_page(an_entry(10, "2026-02-05T10:00:00Z")))
    found, _ = pull(Reply(a_feed(day="Sun, 08 Feb 2026 00:00:00 -0500")), page, now=sunday, since=None)
    assert [each.listed_at for each in found.listings] == [eastern(6, 0)]


def test_a_feed_from_after_now_is_left_alone() -> None:
    """`--at` replays the past, and the feed only ever has today."""
    past = NOON - timedelta(days=20)
    page = Reply(a_page(an_entry(10, "2026-01-14T10:00:00Z")))
    found, _ = pull(
        Reply(a_feed(an_item(1))), page, now=datetime(2026, 1, 15, 12, tzinfo=UTC), since=past - timedelta(days=1)
    )
    assert [each.paper.id for each in found.listings] == ["2602.00010"]


def test_a_dead_feed_is_made_up_for_by_the_api() -> None:
    found, _ = pull(Reply(status=500), Reply(a_page(an_entry(10, "2026-02-03T10:00:00Z"))), since=eastern(3, 7))
    assert [each.listed_at for each in found.listings] == [TODAY]
    assert (found.failure, found.covered_until) == ("answered 500 Internal Server Error", eastern(3, 7))


def test_one_unknown_category_does_not_cost_the_others() -> None:
    """arXiv refuses a feed of many categories for the sake of one."""
    with serving() as upstream, Client(limits=QUICK) as client:
        refused = Reply(a_feed(about="Bad subject class 'XX'. Valid subject classes are: AI"), 400)
        upstream.answer = lambda path: refused if "XX" in path else Reply(a_feed(an_item()))
        found = Arxiv(upstream.url, upstream.url).pull(client, Task(NOON, TODAY, ("cs.XX", "cs.AI", "../etc")))
    assert upstream.asked == ["/rss/cs.AI+cs.XX", "/rss/cs.AI"]
    assert (len(found.listings), found.covered_until) == (1, NOON)
    assert found.failure == "no such category: ../etc; no such category: cs.XX"


def test_an_unchanged_feed_brings_nothing_and_is_no_failure() -> None:
    found, _ = pull(Reply(status=304))
    assert (found.listings, found.failure, found.covered_until) == ((), "", NOON)


def test_liked_papers_are_looked_up_and_one_malformed_id_costs_no_other() -> None:
    def answer(path: str) -> Reply:
        ids = asked(path)["id_list"].split(",")
        return Reply(AN_ERROR, 400) if "2602.99999" in ids else Reply(a_page(*(an_entry(int(i[-5:])) for i in ids)))

    with serving() as upstream, Client(limits=QUICK) as client:
        upstream.answer = answer
        ids = ["2602.00001v3", "10.1000/doi", "2602.99999", "https://arxiv.org/abs/2602.00003", "2602.00001"]
        papers, problem = Arxiv(upstream.url, upstream.url).look_up(client, ids)
    assert [paper.id for paper in papers] == ["2602.00001", "2602.00003"]
    assert problem == "refused the query: incorrect id format for x"


def test_many_ids_are_looked_up_in_chunks() -> None:
    with serving() as upstream, Client(limits=QUICK) as client:
        upstream.answer = lambda path: Reply(
            a_page(*(an_entry(int(i[-5:])) for i in asked(path)["id_list"].split(",")))
        )
        papers, problem = Arxiv(upstream.url, upstream.url).look_up(client, [f"2602.{n:05d}" for n in range(250)])
    assert (len(papers), problem, len(upstream.asked)) == (250, "", 3)


def test_a_paper_that_stands_twice_in_a_feed_is_listed_once() -> None:
    """A feed of several categories may show a paper once for each."""
    found, _ = pull(Reply(a_feed(an_item(1), an_item(1), an_item(1, "replace"))))
    assert [each.kind for each in found.listings] == [ListingKind.NEW, ListingKind.UPDATE]
