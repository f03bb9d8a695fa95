"""Any feed. The ones here are invented, in the form that journals and archives use."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from digest.errors import SettingsError
from digest.settings import Feed as FeedSetting
from digest.settings import Settings
from digest.sources import Client, Limits, Task, build
from digest.sources.feed import Feed, names, parse
from digest.sources.identity import arxiv_id, doi, web_address
from tests.data.sources.upstream import Reply, serving
from tests.make import NOON

URL = "https://journal.example.org/rss"
QUICK = Limits(connect=1, read=0.5, total=1, retries=0, backoff=0)


def rss(*items: str) -> bytes:
    return (
        '<?xml version="1.0"?><rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/" '
        'xmlns:content="http://purl.org/rss/1.0/modules/content/" '
        'xmlns:prism="http://prismstandard.org/namespaces/basic/2.0/"><channel><title>Invented</title>'
        f"{''.join(items)}</channel></rss>"
    ).encode()


def item(*fields: str, title: str = "An Invented Paper") -> str:
    return f"<item><title>{title}</title>{''.join(fields)}</item>"


def test_an_item_with_everything() -> None:
    (listing,), problem = parse(
        rss(
            item(
                "<link>https://journal.example.org/1</link><guid>https://journal.example.org/1</guid>",
                "<description>Short.</description>",
                "<content:encoded><![CDATA[<p>We <i>invent</i> it.</p><p>$p&lt;1$</p>]]></content:encoded>",
                "<dc:creator>Ada Example</dc:creator><dc:creator>Bo Sample and Cher</dc:creator>",
                "<category>Invention</category><category>Invention</category>",
                "<pubDate>Tue, 03 Feb 2026 10:00:00 +0100</pubDate>",
                '<enclosure url="https://journal.example.org/1.pdf" type="application/pdf" length="1"/>',
            )
        ),
        "journal",
        URL,
        NOON,
    )
    paper = listing.paper
    assert (problem, listing.source, listing.listed_at) == ("", "journal", datetime(2026, 2, 3, 9, tzinfo=UTC))
    assert paper.abstract == "We invent it.\np<1"
    assert paper.authors == ("Ada Example", "Bo Sample", "Cher")
    assert (paper.categories, paper.pdf_url) == (("Invention",), "https://journal.example.org/1.pdf")
    assert paper.id == paper.url == "https://journal.example.org/1"


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ("<link>http://arxiv.org/abs/2602.00001v2</link><prism:doi>10.1000/x</prism:doi>", "2602.00001"),
        ("<guid>oai:arXiv.org:math.GT/0309136v1</guid>", "math/0309136"),
        ("<guid>https://doi.org/10.48550/arXiv.2602.00001</guid>", "2602.00001"),
        ("<link>https://x.example/1</link><prism:doi>10.1000/ABC.1</prism:doi>", "10.1000/abc.1"),
        ("<link>https://x.example/1</link><dc:identifier>doi:10.1000/abc</dc:identifier>", "10.1000/abc"),
        ("<link>https://x.example/doi/full/10.1000/abc?rss=yes</link>", "10.1000/abc"),
        ("<guid>https://doi.org/10.1000%2Fabc</guid>", "10.1000/abc"),
        ("<guid>urn:uuid:1</guid><link>https://x.example/1</link>", "urn:uuid:1"),
        ("<guid isPermaLink='false'>1234</guid>", f"{URL}#1234"),
        ("<link>https://x.example/1</link>", "https://x.example/1"),
        ("<link>https://x.example/1</link><description>As in arXiv:2602.00001</description>", "https://x.example/1"),
    ],
)
def test_a_paper_s_identity(fields: str, key: str) -> None:
    """arXiv id, else DOI, else guid; from links and ids, never from the abstract."""
    (listing,), _ = parse(rss(item(fields)), "journal", URL, NOON)
    assert listing.paper.id == key


def test_an_atom_entry() -> None:
    body = (
        b'<feed xmlns="http://www.w3.org/2005/Atom"><title>t</title><entry><id>tag:x.example,2026:1</id>'
        b'<title type="html">On &lt;i&gt;E. coli&lt;/i&gt; &amp;amp; us</title><link href="https://x.example/1"/>'
        b"<updated>2026-02-03T10:00:00Z</updated><summary>We invent.</summary><author><name>Ada</name></author>"
        b"</entry></feed>"
    )
    (listing,), problem = parse(body, "blog", URL, NOON)
    assert (problem, listing.paper.id, listing.paper.title) == ("", "tag:x.example,2026:1", "On E. coli & us")


@pytest.mark.parametrize("date", ["", "<pubDate>soon</pubDate>", "<pubDate>Tue, 03 Feb 2099 10:00:00 GMT</pubDate>"])
def test_an_item_without_a_usable_date_is_listed_now(date: str) -> None:
    (listing,), _ = parse(rss(item("<guid>1</guid>", date)), "journal", URL, NOON)
    assert listing.listed_at == NOON


def test_scripts_never_become_links() -> None:
    (listing,), _ = parse(rss(item("<guid>1</guid><link>javascript:alert(1)</link>")), "journal", URL, NOON)
    assert listing.paper.url == ""


def test_an_undeclared_entity_does_not_cost_the_feed() -> None:
    listings, problem = parse(
        rss(item("<guid>1</guid>", title="A &nbsp; B &c"), item("<guid>2</guid>")), "j", URL, NOON
    )
    assert (len(listings), problem) == (2, "")


@pytest.mark.parametrize(
    ("byline", "found"),
    [
        ("A. Kay, B. Lee and C. Poe", ["A. Kay", "B. Lee", "C. Poe"]),
        ("A. Kay, B. Lee, and C. Poe", ["A. Kay", "B. Lee", "C. Poe"]),
        ("A. Kay; B. Lee (X, Y)", ["A. Kay", "B. Lee"]),
        ("Kim, Jr., Lee", ["Kim, Jr.", "Lee"]),
        ("Ada,  ,Bo", ["Ada", "Bo"]),
        ("G&ouml;del", ["Gödel"]),
        ("", []),
    ],
)
def test_bylines(byline: str, found: list[str]) -> None:
    assert names(byline) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2602.01785v12", "2602.01785"),
        ("https://arxiv.org/pdf/2602.01785v2.pdf", "2602.01785"),
        ("arXiv:hep-th/9901001", "hep-th/9901001"),
        ("https://huggingface.co/papers/2602.01785", "2602.01785"),
        ("10.1101/2026.07.15.1", ""),
        ("https://x.example/2602.01785", ""),
        ("2602.017855", ""),
    ],
)
def test_arxiv_ids(text: str, found: str) -> None:
    assert arxiv_id(text) == found


def test_dois_and_addresses() -> None:
    assert doi("https://doi.org/10.1101/2026.07.15.1.") == "10.1101/2026.07.15.1"
    assert doi("see 10.1000/x") == ""
    assert web_address(" https://x.example/a ") == "https://x.example/a"
    assert [web_address(odd) for odd in (None, 7, "ftp://x", "http://", 'http://x"y', "http://u:p@x", "http://[")] == [
        ""
    ] * 7


@pytest.mark.parametrize(
    ("reply", "count", "failure"),
    [
        (Reply(rss(item("<guid>1</guid>"))), 1, ""),
        (Reply(rss()), 0, ""),
        (Reply(status=304), 0, ""),
        (Reply(status=404), 0, "answered 404 Not Found"),
        (Reply(b"<html>login</html>"), 0, "answered with a web page instead of a feed"),
        (Reply(rss(item("<guid>1</guid>"), item("<guid>2</guid>")), cut=290), 1, "cut off after 290 bytes"),
    ],
)
def test_a_pull_keeps_what_it_could_read_and_says_what_it_could_not(reply: Reply, count: int, failure: str) -> None:
    with serving(reply) as upstream, Client(limits=QUICK) as client:
        pull = Feed("journal", upstream.url).pull(client, Task(NOON))
    assert (len(pull.listings), pull.failure) == (count, failure)
    assert pull.covered_until == (None if failure else NOON)


def test_settings_become_sources() -> None:
    settings = Settings(feeds=(FeedSetting(name="journal", url=URL),))
    assert [source.name for source in build(settings)] == ["huggingface", "arxiv", "journal"]


def test_every_wrong_name_is_told_at_once() -> None:
    feeds = (FeedSetting(name="arxiv", url=URL), FeedSetting(name="a", url=URL), FeedSetting(name="a", url=URL))
    with pytest.raises(SettingsError) as error:
        build(Settings(sources=("arxive", "huggingface"), feeds=feeds))
    assert error.value.problems == (
        "sources: there is no source 'arxive'; known are arxiv, huggingface",
        "feeds: the name 'arxiv' is taken; give this feed another",
        "feeds: the name 'a' is taken; give this feed another",
    )
