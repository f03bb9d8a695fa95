"""The sample day in the words of arXiv: the RSS feed of rss.arxiv.org and the search API of export.arxiv.org.

Feed: https://info.arxiv.org/help/rss_specifications.html. API: https://info.arxiv.org/help/api/user-manual.html, with
the addresses and link elements that it writes since 2025.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime, time
from email.utils import format_datetime
from xml.etree import ElementTree as ET

from digest.sample.papers import NEW_YORK, Invention, draw, inventions

DEFAULT_CATEGORIES = ("cs.AI", "cs.CL", "cs.CV", "cs.LG")
ATOM = "http://www.w3.org/2005/Atom"
ARXIV = "http://arxiv.org/schemas/atom"
RSS_NAMESPACES = {
    "xmlns:arxiv": ARXIV,
    "xmlns:dc": "http://purl.org/dc/elements/1.1/",
    "xmlns:atom": ATOM,
    "xmlns:content": "http://purl.org/rss/1.0/modules/content/",
}
LICENCES = (
    "http://creativecommons.org/licenses/by/4.0/",
    "http://arxiv.org/licenses/nonexclusive-distrib/1.0/",
    "http://creativecommons.org/licenses/by-nc-sa/4.0/",
)
ANNOUNCE_TYPES = ("new", "cross", "replace", "replace-cross")


def arxiv_rss(today: date, categories: Iterable[str] = DEFAULT_CATEGORIES, *, asked: date | None = None) -> bytes:
    """The feed `/rss/{categories joined by +}`.

    Unlike arXiv, the sample announces on Saturdays and Sundays too, and has an empty feed for a category that there
    is not.

    Args:
        today: the sample day.
        categories: such as "cs.CL", or an archive such as "cs".
        asked: when the feed is fetched, `today` if not given; it is empty on any earlier day.
    """
    categories = tuple(categories)
    asked = asked or today
    midnight = datetime.combine(asked, time(), NEW_YORK)
    address = f"http://rss.arxiv.org/rss/{'+'.join(categories)}"
    names = ", ".join(categories)
    feed = ET.Element("rss", {**RSS_NAMESPACES, "version": "2.0"})
    channel = ET.SubElement(feed, "channel")
    _add(channel, "title", f"{names} updates on arXiv.org")
    _add(channel, "link", address)
    _add(channel, "description", f"{names} updates on the arXiv.org e-print archive.")
    _add(channel, "atom:link", href=address, rel="self", type="application/rss+xml")
    _add(channel, "docs", "http://www.rssboard.org/rss-specification")
    _add(channel, "language", "en-us")
    _add(channel, "lastBuildDate", format_datetime(midnight.astimezone(UTC)))
    _add(channel, "managingEditor", "rss-help@arxiv.org")
    _add(channel, "pubDate", format_datetime(midnight))
    quiet = ET.SubElement(channel, "skipDays")
    for day in ("Saturday", "Sunday"):
        _add(quiet, "day", day)
    news = [
        (_announce_type(paper, categories), paper)
        for paper in inventions()
        if asked >= today and paper.announced and _is_in(paper.categories, categories)
    ]
    for kind, paper in sorted(news, key=lambda item: ANNOUNCE_TYPES.index(item[0])):
        _announce(channel, paper, kind, midnight)
    return _bytes(feed)


def arxiv_query(
    today: date,
    *,
    ids: Collection[str] = (),
    search: str = "",
    start: int = 0,
    most: int = 10,
    ascending: bool = False,
    asked: date | None = None,
) -> bytes:
    """The answer of `/api/query`.

    Args:
        today: the sample day.
        ids: look these up, with or without a version; `search` is then ignored.
        search: `cat:` terms, of which any suffices, and at most one `submittedDate:[from TO to]`.
        start: skip so many results.
        most: at most so many entries.
        ascending: oldest submission first; newest first otherwise.
        asked: when the question is put, `today` if not given; later papers are not there yet.
    """
    asked = asked or today
    public = [paper for paper in inventions() if paper.day <= (asked - today).days]
    if ids:
        known = {paper.id: paper for paper in public}
        found = [known[name] for name in (re.sub(r"v\d+$", "", given) for given in ids) if name in known]
    else:
        found = [paper for paper in public if _matches(paper, search, today)]
        found.sort(key=lambda paper: (paper.published(today), paper.id), reverse=not ascending)
    feed = ET.Element(
        "feed", {"xmlns:opensearch": "http://a9.com/-/spec/opensearch/1.1/", "xmlns:arxiv": ARXIV, "xmlns": ATOM}
    )
    question = f"search_query={search}&id_list={','.join(ids)}&start={start}&max_results={most}"
    _add(feed, "id", f"https://arxiv.org/api/{draw(question, below=10**15)}")
    _add(feed, "title", f"arXiv Query: {question}")
    _add(feed, "updated", f"{asked}T00:00:00Z")
    _add(feed, "link", href=f"https://arxiv.org/api/query?{question}", type="application/atom+xml")
    for name, count in (("itemsPerPage", most), ("totalResults", len(found)), ("startIndex", start)):
        _add(feed, f"opensearch:{name}", str(count))
    for paper in found[start : start + most]:
        _describe(feed, paper, today)
    return _bytes(feed)


def _announce(channel: ET.Element, paper: Invention, kind: str, midnight: datetime) -> None:
    item = ET.SubElement(channel, "item")
    name = f"{paper.id}v{paper.version}"
    _add(item, "title", paper.title)
    _add(item, "link", f"https://arxiv.org/abs/{paper.id}")
    _add(item, "description", f"arXiv:{name} Announce Type: {kind} \nAbstract: {paper.abstract}")
    _add(item, "guid", f"oai:arXiv.org:{name}", isPermaLink="false")
    for category in paper.categories:
        _add(item, "category", category)
    _add(item, "pubDate", format_datetime(midnight))
    _add(item, "arxiv:announce_type", kind)
    _add(item, "dc:rights", LICENCES[draw(paper.id, "licence", below=len(LICENCES))])
    _add(item, "dc:creator", ", ".join(paper.authors))


def _describe(feed: ET.Element, paper: Invention, today: date) -> None:
    entry = ET.SubElement(feed, "entry")
    name = f"{paper.id}v{paper.version}"
    _add(entry, "id", f"http://arxiv.org/abs/{name}")
    _add(entry, "title", paper.title)
    _add(entry, "updated", f"{paper.updated(today):%Y-%m-%dT%H:%M:%SZ}")
    _add(entry, "link", href=f"https://arxiv.org/abs/{name}", rel="alternate", type="text/html")
    _add(entry, "link", href=f"https://arxiv.org/pdf/{name}", rel="related", type="application/pdf", title="pdf")
    _add(entry, "summary", paper.abstract)
    for category in paper.categories:
        _add(entry, "category", term=category, scheme=ARXIV)
    _add(entry, "published", f"{paper.published(today):%Y-%m-%dT%H:%M:%SZ}")
    _add(entry, "arxiv:primary_category", term=paper.categories[0])
    for author in paper.authors:
        _add(ET.SubElement(entry, "author"), "name", author)


def _announce_type(paper: Invention, categories: Collection[str]) -> str:
    first = _is_in(paper.categories[:1], categories)
    if paper.version > 1:
        return "replace" if first else "replace-cross"
    return "new" if first else "cross"


def _is_in(own: Iterable[str], wanted: Iterable[str]) -> bool:
    return any(mine == one or mine.startswith(f"{one}.") for mine in own for one in wanted)


def _matches(paper: Invention, search: str, today: date) -> bool:
    categories = re.findall(r"cat:([\w-]+(?:\.[\w-]+)?)", search)
    span = re.search(r"submittedDate:\[(\d+) TO (\d+)\]", search)
    stamp = f"{paper.published(today):%Y%m%d%H%M%S}"
    in_time = span is None or (span[1] <= stamp and stamp[: len(span[2])] <= span[2])
    return in_time and (not categories or _is_in(paper.categories, categories))


def _add(parent: ET.Element, tag: str, text: str | None = None, **attributes: str) -> None:
    ET.SubElement(parent, tag, attributes).text = text


def _bytes(feed: ET.Element) -> bytes:
    ET.indent(feed)
    text = ET.tostring(feed, encoding="unicode")
    return f"<?xml version='1.0' encoding='UTF-8'?>\n{text}\n".encode()
