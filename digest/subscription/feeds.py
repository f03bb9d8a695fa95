"""Atom feeds (RFC 4287): what is trending, and one reader's digests, an entry for each paper."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote
from xml.etree import ElementTree as ET

from digest.compose.cards import Card
from digest.compose.text import clean, line
from digest.models import Digest, Pick
from digest.subscription.desk import Desk, Words

ATOM = "http://www.w3.org/2005/Atom"


def trending(desk: Desk, digest: Digest) -> bytes:
    """What is trending now."""
    base = desk.site.public_url
    title = f"{desk.site.name}: trending papers"
    return _feed(desk, title, f"{base}/trending.atom", f"{base}/trending", [digest])


def personal(desk: Desk, address: str, digests: Sequence[Digest], w: Words) -> bytes:
    """The last digests of one reader, in their language; *address* is the feed's own."""
    title = w.gettext("%(name)s: your digests") % {"name": desk.site.name}
    return _feed(desk, title, address, desk.site.public_url, digests)


def _feed(desk: Desk, title: str, address: str, page: str, digests: Sequence[Digest]) -> bytes:
    ET.register_namespace("", ATOM)
    feed = ET.Element(_tag("feed"))
    _text(feed, "id", address)
    _text(feed, "title", title)
    _text(feed, "updated", _moment(max((d.planned_at for d in digests), default=desk.now)))
    ET.SubElement(feed, _tag("link"), {"rel": "self", "href": address, "type": "application/atom+xml"})
    ET.SubElement(feed, _tag("link"), {"rel": "alternate", "href": page, "type": "text/html"})
    _text(ET.SubElement(feed, _tag("author")), "name", desk.site.name)
    seen: set[str] = set()
    for digest in digests:
        for part in desk.parts.writer.sheet(digest).parts:
            for pick, card in zip(part.picks, part.cards, strict=True):
                if pick.paper.id not in seen:
                    seen.add(pick.paper.id)
                    _entry(desk, feed, pick, card)
    data: bytes = ET.tostring(feed, encoding="utf-8", xml_declaration=True)
    return data


def _entry(desk: Desk, feed: ET.Element, pick: Pick, card: Card) -> None:
    paper = pick.paper
    entry = ET.SubElement(feed, _tag("entry"))
    _text(entry, "id", f"{desk.site.public_url}/paper/{quote(paper.id, safe='/')}")
    _text(entry, "title", card.plain_title)
    _text(entry, "updated", _moment(pick.listed_at))
    if paper.published:
        _text(entry, "published", _moment(paper.published))
    for name in paper.authors[:50]:
        if line(name):
            _text(ET.SubElement(entry, _tag("author")), "name", line(name))
    if card.url:
        ET.SubElement(entry, _tag("link"), {"rel": "alternate", "href": card.url})
    _text(entry, "summary", " ".join(part for part in (card.plain_summary, card.reason) if part) or card.plain_title)


def _text(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, _tag(name)).text = clean(text)


def _tag(name: str) -> str:
    return f"{{{ATOM}}}{name}"


def _moment(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
