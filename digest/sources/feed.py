"""Any RSS or Atom feed, read by feedparser.

RSS 2.0 (rssboard.org/rss-specification), Atom (RFC 4287), RSS 1.0 with Dublin Core and PRISM, as journals write them.
A feed that breaks off is mended at the end of its last whole entry, so that half an abstract is never taken for one.
"""

from __future__ import annotations

import io
import re
from calendar import timegm
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import feedparser

from digest.models import Listing, Paper
from digest.sources.http import Client
from digest.sources.identity import arxiv_id, doi, web_address
from digest.sources.seam import Gathering, Pull, Task
from digest.sources.text import from_html, is_web_page, one_line, paragraphs

Entry = Any
"""feedparser's dictionary with attributes; every field may be absent."""

_LAST_WHOLE = re.compile(rb"(?s).*</(item|entry)\s*>")
_ENDINGS = {b"</rss>": b"</channel></rss>", b"</feed>": b"</feed>", b"</rdf:RDF>": b"</rdf:RDF>"}
_SUFFIXES = {"jr", "jr.", "sr", "sr.", "ii", "iii", "iv", "phd", "md"}


@dataclass(frozen=True, slots=True)
class Feed:
    """The feed at *url*, called *name* in mails."""

    name: str
    url: str

    def pull(self, client: Client, task: Task) -> Pull:
        """Whatever the feed holds now; the store knows what is new."""
        gathering = Gathering(self.name, client)
        answer = gathering.get(self.url)
        if answer is None:
            return gathering.pull(task.covered_until)
        listings, problem = ([], "") if answer.not_modified else parse(answer.body, self.name, self.url, task.now)
        whole = gathering.take(answer, listings, problem)
        return gathering.pull(task.now if whole else task.covered_until)

    def announced(self, since: datetime, now: datetime) -> bool:  # noqa: ARG002 - the seam's signature
        """False: nothing is known of its calendar."""
        return False


def parse(body: bytes, name: str, url: str, now: datetime) -> tuple[list[Listing], str]:
    """The listings of a feed's body, and what is wrong with it ("" if nothing).

    An entry without title and identity is passed over. *now* stands in for a date that is missing or in the future.
    """
    entries, _, problem = read(body)
    listings = [listing for entry in entries if (listing := _listing(entry, name, url, now))]
    if entries and not listings and not problem:
        problem = "answered with entries of an unknown form"
    return listings, problem


def read(body: bytes) -> tuple[list[Entry], Entry, str]:
    """(entries, the feed's own fields, problem) of RSS or Atom; only whole entries."""
    if is_web_page(body):
        return [], feedparser.FeedParserDict(), "answered with a web page instead of a feed"
    mended, problem = _mend(body)
    try:
        # Through BytesIO, because bytes would be tried as the name of a file. Links and mark-up are cleaned by us.
        found = feedparser.parse(io.BytesIO(mended), sanitize_html=False, resolve_relative_uris=False)
    except Exception:  # noqa: BLE001 - a third party's parser on strangers' bytes
        return [], feedparser.FeedParserDict(), "answered with something that is not a feed"
    if not found.get("version"):
        return [], feedparser.FeedParserDict(), "answered with something that is not a feed"
    if found.bozo and not found.entries and not problem:
        problem = "answered with a feed that cannot be read"
    return found.entries, found.feed, problem


def authors(entry: Entry) -> tuple[str, ...]:
    """The byline, whether it comes as one element an author or as one for all ("A. Kay, B. Lee and C. Poe")."""
    given = [str(author.get("name") or "") for author in entry.get("authors", ())]
    return tuple(name for text in given for name in names(text))


def names(byline: str) -> list[str]:
    """The names in a list of names; affiliations in brackets are left out, "Jr." stays with its name."""
    found: list[str] = []
    for part in re.split(r",\s+and\s|,|;|\sand\s", re.sub(r"\([^()]*\)", "", one_line(from_html(byline)))):
        name = part.strip()
        if name.lower() in _SUFFIXES and found:
            found[-1] += f", {name}"
        elif name:
            found.append(name)
    return found


def moment(entry: Entry, *fields: str) -> datetime | None:
    """The first of *fields* ("published", "updated") that holds a date, in UTC."""
    for field in fields:
        parsed = dict.get(entry, f"{field}_parsed")  # entry.get would warn, and give one date for the other
        if parsed:
            try:
                return datetime.fromtimestamp(timegm(parsed), UTC)
            except (ValueError, OverflowError, OSError):
                continue
    return None


def terms(entry: Entry) -> tuple[str, ...]:
    """The entry's categories, each once."""
    found = (one_line(str(tag.get("term") or tag.get("label") or "")) for tag in entry.get("tags", ()))
    return tuple(dict.fromkeys(term for term in found if term))


def pdf(entry: Entry) -> str:
    """The address of the PDF among the entry's links, or ""."""
    links = entry.get("links", ())
    return next((web_address(link.get("href")) for link in links if link.get("type") == "application/pdf"), "")


def _mend(body: bytes) -> tuple[bytes, str]:
    """*body* closed after its last whole entry if it breaks off, and the fact that it did."""
    opened = re.search(rb"<(rss|feed|rdf:RDF)[\s>]", body[:4000])
    if not opened or (end := b"</" + opened[1] + b">") in body[-2000:]:
        return body, ""
    last = _LAST_WHOLE.match(body)
    kept = last[0] if last else body
    closing = b"" if end == b"</rdf:RDF>" or not last else _ENDINGS[end]
    count = len(re.findall(rb"</(?:item|entry)\s*>", kept))
    return kept + (closing or end), f"answered with a feed that breaks off after {count} entries"


def _listing(entry: Entry, name: str, url: str, now: datetime) -> Listing | None:
    title = one_line(from_html(entry.get("title") or ""))[:1000]
    arxiv, number, key = _identity(entry, url)
    if not title or not key:
        return None
    link, at = web_address(entry.get("link")), moment(entry, "published", "updated")
    paper = Paper(
        id=key,
        title=title,
        abstract=paragraphs(from_html(_abstract(entry))),
        authors=authors(entry),
        categories=terms(entry),
        published=at,
        doi=number,
        url=link or _page(arxiv, number) or web_address(entry.get("id")),
        pdf_url=f"https://arxiv.org/pdf/{arxiv}" if arxiv else pdf(entry),
    )
    return Listing(name, paper, min(at or now, now))


def _identity(entry: Entry, url: str) -> tuple[str, str, str]:
    """(arXiv id, DOI, the id that the paper goes by), from the links and ids of the entry, never from its prose."""
    guid, link = str(entry.get("id") or ""), str(entry.get("link") or "")
    said = [str(entry.get(field) or "") for field in ("prism_doi", "dc_identifier")] + [guid, link]
    arxiv, number = _first(arxiv_id, [guid, link, *said]), _first(doi, said)
    if number.startswith("10.48550/arxiv."):
        number = ""
    return arxiv, number, arxiv or number or _guid(guid or link, url)


def _page(arxiv: str, number: str) -> str:
    if arxiv:
        return f"https://arxiv.org/abs/{arxiv}"
    return f"https://doi.org/{number}" if number else ""


def _first(read_id: Any, places: Iterable[str]) -> str:
    return next((found for place in places if (found := read_id(place))), "")


def _guid(guid: str, url: str) -> str:
    """*guid* as an id for all feeds: as it is where it is an address or a URN, else under the feed's own address."""
    if not guid:
        return ""
    whole = guid if re.match(r"(?i)https?://|urn:|tag:|oai:", guid) else f"{url}#{guid}"
    return whole if len(whole) <= 500 else f"urn:sha256:{sha256(whole.encode()).hexdigest()}"


def _abstract(entry: Entry) -> str:
    """The longer of summary and content: some feeds put a teaser into one of them."""
    parts = [entry.get("summary") or "", *(part.get("value") or "" for part in entry.get("content", ()))]
    return max((str(part) for part in parts), key=len)
