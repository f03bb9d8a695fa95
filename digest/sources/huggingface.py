"""Hugging Face Daily Papers: what its community submitted and voted for, day by day.

`GET /api/daily_papers?date=YYYY-MM-DD&limit=100&p=N` (huggingface_hub, `HfApi.list_daily_papers`). *date* is the UTC
day on the Hub, not arXiv's, and may not lie in the future; a day without papers is `[]`; pages may be short, so only
an empty one is the last. The shape of an entry has changed over the years: in 282 recorded days from 2024 to 2026,
only id, title and upvotes were always there. Votes go on rising for days, which is why the last days are read again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlencode

from digest.models import Listing, Paper, Signal
from digest.sources.http import Client
from digest.sources.identity import arxiv_id, web_address
from digest.sources.seam import Gathering, Pull, Task
from digest.sources.text import is_web_page, one_line, paragraphs

HUB = "https://huggingface.co"
"""Where links lead, also when the answers come from a mirror."""

RE_READ = 3
"""Days before today that are read again, for new votes; on the first pull these are all."""
LONGEST_GAP = 30
PAGE, MOST_PAGES = 100, 20
MAX_COUNT = 2**31 - 1

Entry = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class HuggingFace:
    """Daily Papers at *base*."""

    base: str = HUB
    name: str = "huggingface"

    def pull(self, client: Client, task: Task) -> Pull:
        """Every day not covered yet, today first, and the last days again."""
        gathering = Gathering(self.name, client)
        unread: list[date] = []
        for day in _days(task):
            # Two days in a row that cannot be read: the others would only cost patience.
            if len(unread) >= 2 or not self._read(gathering, day, task.now):
                unread.append(day)
        if not unread:
            return gathering.pull(task.now)
        reached = task.covered_until or midnight(min(unread))
        if len(unread) == len(_days(task)):
            return gathering.pull(task.covered_until)
        return gathering.pull(max(reached, min(task.now, midnight(min(unread)))))

    def announced(self, since: datetime, now: datetime) -> bool:  # noqa: ARG002 - the seam's signature
        """False: papers and votes come in all day."""
        return False

    def _read(self, gathering: Gathering, day: date, now: datetime) -> bool:
        """Follow the pages of *day*; returns whether all of it could be read."""
        known: set[str] = set()
        for page in range(MOST_PAGES):
            query = urlencode({"date": day.isoformat(), "limit": PAGE, "p": page})
            answer = gathering.get(f"{self.base}/api/daily_papers?{query}")
            if answer is None:
                return False
            if answer.not_modified:
                continue
            listings, problem = parse(answer.body, day, now)
            new = [listing for listing in listings if listing.paper.id not in known]
            if not gathering.take(answer, new, problem):
                return False
            if not new:
                return True
            known.update(listing.paper.id for listing in new)
        return True


def parse(body: bytes, day: date, now: datetime) -> tuple[list[Listing], str]:
    """The listings of one page, and what is wrong with it ("" if nothing).

    An entry without id or title is passed over. *now* is the moment of the reading.
    """
    entries, problem = _entries(body)
    listings = [listing for entry in entries if (listing := _listing(entry, day, now))]
    if entries and not listings and not problem:
        problem = "answered with entries of an unknown form"
    return listings, problem


def midnight(day: date) -> datetime:
    """The start of *day* in UTC."""
    return datetime.combine(day, time(), UTC)


def _days(task: Task) -> list[date]:
    """Days to ask for, the latest first."""
    today = task.now.astimezone(UTC).date()
    since = today - timedelta(days=RE_READ)
    if task.covered_until is not None:
        since = min(since, max(task.covered_until.astimezone(UTC).date(), today - timedelta(days=LONGEST_GAP)))
    return [today - timedelta(days=back) for back in range((today - since).days + 1)]


def _entries(body: bytes) -> tuple[list[object], str]:
    if is_web_page(body):
        return [], "answered with a web page instead of JSON"
    text = body.decode("utf-8", "replace").strip()
    if not text.startswith("["):
        return [], "answered with something that is not a list of papers"
    found: list[object] = []
    try:
        found.extend(_one_by_one(text))
    except (ValueError, RecursionError):
        return found, f"answered with JSON that breaks off after {len(found)} papers"
    return found, ""


def _one_by_one(text: str) -> Iterator[object]:
    """The elements of a JSON array, each as soon as it is read: those before a break are good."""
    decoder, at = json.JSONDecoder(), 1
    while True:
        at = _skip(text, at, " \t\r\n,")
        if at >= len(text):
            raise ValueError("no closing bracket")
        if text[at] == "]":
            return
        element, at = decoder.raw_decode(text, at)
        yield element


def _skip(text: str, at: int, blanks: str) -> int:
    while at < len(text) and text[at] in blanks:
        at += 1
    return at


def _listing(entry: object, day: date, now: datetime) -> Listing | None:
    if not isinstance(entry, Mapping):
        return None
    inner = entry.get("paper")
    paper = inner if isinstance(inner, Mapping) else entry
    key, title = _text(paper, "id"), one_line(_text(paper, "title") or _text(entry, "title"))[:1000]
    if not key or not title:
        return None
    listed_at, submitted = midnight(day), _moment(paper, "submittedOnDailyAt")
    if submitted and submitted.date() == day:
        listed_at = min(submitted, now)
    return Listing("huggingface", _paper(key, title, paper, entry), listed_at, signal=_signal(paper, entry, now))


def _paper(key: str, title: str, paper: Entry, entry: Entry) -> Paper:
    arxiv, page = arxiv_id(key), f"{HUB}/papers/{key}"
    return Paper(
        id=arxiv or page,
        title=title,
        abstract=paragraphs(_text(paper, "summary") or _text(entry, "summary")),
        authors=tuple(one_line(name) for name in _names(paper.get("authors"))),
        published=_moment(paper, "publishedAt") or _moment(entry, "publishedAt"),
        tldr=one_line(_text(paper, "ai_summary")),
        keywords=tuple(one_line(word) for word in _strings(paper.get("ai_keywords"))),
        organization=_organization(paper) or _organization(entry),
        url=f"https://arxiv.org/abs/{arxiv}" if arxiv else page,
        pdf_url=f"https://arxiv.org/pdf/{arxiv}" if arxiv else "",
        code_url=web_address(paper.get("githubRepo")),
        project_url=web_address(paper.get("projectPage")),
        huggingface_url=page,
        thumbnail_url=web_address(entry.get("thumbnail")) or web_address(paper.get("thumbnail")),
    )


def _signal(paper: Entry, entry: Entry, now: datetime) -> Signal:
    stars = _count(paper, "githubStars")
    return Signal(now, _count(paper, "upvotes") or 0, _count(entry, "numComments") or 0, stars)


def _text(entry: Entry, name: str) -> str:
    value = entry.get(name)
    return value.strip() if isinstance(value, str) else ""


def _count(entry: Entry, name: str) -> int | None:
    value = entry.get(name)
    return min(value, MAX_COUNT) if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _moment(entry: Entry, name: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(_text(entry, name))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _strings(value: object) -> list[str]:
    return [item.strip() for item in value if isinstance(item, str) and item.strip()] if isinstance(value, list) else []


def _names(value: object) -> list[str]:
    authors = value if isinstance(value, list) else []
    return _strings([author.get("name") if isinstance(author, Mapping) else author for author in authors])


def _organization(entry: Entry) -> str:
    value = entry.get("organization")
    return one_line(_text(value, "fullname") or _text(value, "name")) if isinstance(value, Mapping) else ""
