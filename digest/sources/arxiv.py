"""arXiv: the day's announcement from its feed, missed ones and single papers from its API.

Announcements are made Sunday to Thursday at 20:00 US Eastern time and stand in a feed dated the following midnight
there, Monday to Friday; one closes for submissions at 14:00 of its evening, and what came after Friday 14:00 is
announced on Monday (info.arxiv.org/help/availability). One feed serves all categories joined by "+"
(info.arxiv.org/help/rss). The API gives at most 2,000 entries a page and 30,000 a query
(info.arxiv.org/help/api/user-manual). All of arXiv's machines together allow one request in three seconds over one
connection (info.arxiv.org/help/api/tou).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from digest.models import Listing, ListingKind, Paper
from digest.sources import feed
from digest.sources.http import Answer, Client
from digest.sources.identity import arxiv_id, doi
from digest.sources.seam import Gathering, Pull, Task
from digest.sources.text import one_line, paragraphs

PACE = ("arxiv", 3.0)
PAGE, MOST = 500, 30_000
CHUNK = 100
"""Ids in one look-up."""
MOST_HALVINGS = 40
LONGEST_GAP = timedelta(days=30)
DEADLINE = time(14)
"""In New York."""
HELD = timedelta(days=7)
"""Moderators and holidays keep papers back. The API tells when one was submitted, not when it was announced."""
MISSED = timedelta(hours=12)
"""An announcement that is older was missed; a younger one may only stand in the feed later than by the calendar."""

_EASTERN = ZoneInfo("America/New_York")
_KINDS = {
    "new": ListingKind.NEW,
    "cross": ListingKind.CROSS,
    "replace": ListingKind.UPDATE,
    "replace-cross": ListingKind.UPDATE,
}
_PREAMBLE = re.compile(r"\s*arXiv:\S+\s+Announce Type:\s*(\S+)\s+Abstract:\s*")
_CATEGORY = re.compile(r"[a-z][a-z-]*(?:\.[A-Za-z-]+)?")
_UNKNOWN = re.compile(r"Bad (?:subject class|archive) '([^']{1,40})'")


@dataclass(frozen=True, slots=True)
class Arxiv:
    """arXiv's feeds at *feeds* and its API at *api*."""

    feeds: str = "https://rss.arxiv.org"
    api: str = "https://export.arxiv.org"
    name: str = "arxiv"

    def pull(self, client: Client, task: Task) -> Pull:
        """The latest announcement, and all that were made since `task.covered_until`."""
        gathering = Gathering(self.name, client)
        categories = _well_formed(task.categories, gathering)
        if not categories:
            return gathering.pull(task.covered_until)
        announced, whole = self._latest(gathering, categories, task.now)
        missed = [at for at in due(task.covered_until, task.now) if at != announced]
        if missed:
            since = opened(missed[0])
            if whole and task.begun and task.now - missed[0] > MISSED:
                since = min(since, max(since - HELD, task.begun))
            whole = self._catch_up(gathering, categories, since, task.now) and whole
        return gathering.pull(task.now if whole else task.covered_until)

    def announced(self, since: datetime, now: datetime) -> bool:
        """Whether an announcement was made in between."""
        return bool(due(since, now))

    def look_up(self, client: Client, ids: Sequence[str]) -> tuple[tuple[Paper, ...], str]:
        """The papers with these ids as far as arXiv knows them, and what went wrong ("" if nothing).

        What is not an arXiv id is passed over; papers come back in no particular order.
        """
        gathering = Gathering(self.name, client)
        known = list(dict.fromkeys(found for each in ids if (found := arxiv_id(each))))
        papers = [
            paper
            for start in range(0, len(known), CHUNK)
            for paper in self._by_id(gathering, known[start : start + CHUNK])
        ]
        return tuple(papers), "; ".join(gathering.problems)

    def _latest(self, gathering: Gathering, categories: list[str], now: datetime) -> tuple[datetime | None, bool]:
        """Take the feed; returns when it was announced (None if that cannot be used), and whether all was well."""
        answer = self._feed(gathering, categories)
        if answer is None:
            return None, False
        if answer.not_modified:
            return None, True
        listings, announced, problem = parse(answer.body)
        if announced and announced > now:  # the past is replayed against today's feed
            return None, True
        whole = gathering.take(answer, listings, problem)
        return (announced if whole else None), whole

    def _feed(self, gathering: Gathering, categories: list[str]) -> Answer | None:
        """One request for all *categories*; one unknown to arXiv is taken out, because it has all of them refused."""
        while categories:
            answer = gathering.get(f"{self.feeds}/rss/{'+'.join(categories)}", pace=PACE, understood=(400, 404))
            if answer is None or (answer.status < 400 and not _is_refusal(answer.body)):
                return answer
            reason = refusal(answer.body) or f"answered {answer.status}"
            unknown = [c for c in categories if (found := _UNKNOWN.search(reason)) and found[1] in c.split(".")]
            gathering.note(f"no such category: {', '.join(unknown)}" if unknown else reason)
            if not unknown:
                return None
            categories[:] = [c for c in categories if c not in unknown]
        return None

    def _catch_up(self, gathering: Gathering, categories: list[str], since: datetime, now: datetime) -> bool:
        """Take what was submitted from *since* on and is announced by *now*; returns whether that is all of it."""
        known = gathering.papers
        span = f"submittedDate:[{since:%Y%m%d%H%M} TO {now:%Y%m%d%H%M}]"
        search = {
            "search_query": f"{span} AND ({_any_of(categories)})",
            "sortBy": "submittedDate",
            "sortOrder": "ascending",
        }
        start, empty = 0, 0
        while True:
            answer = self._ask(gathering, {**search, "start": start, "max_results": PAGE})
            if answer is None:
                return False
            page = parse_page(answer.body)
            listings = (_as_listing(paper, categories) for paper in page.papers if paper.id not in known)
            if not gathering.take(answer, (each for each in listings if each.listed_at <= now), page.problem):
                return False
            start, empty = start + page.entries, 0 if page.entries else empty + 1
            if start >= page.total or start >= MOST or empty == 2:
                break
        # The API sometimes shows an empty page in mid-answer, and fills it when asked again.
        if start < page.total:
            gathering.note(f"stopped after {start:,} of {page.total:,} papers")
        return start >= page.total

    def _by_id(self, gathering: Gathering, ids: list[str]) -> list[Paper]:
        """One malformed id is refused together with its neighbours: halve until it stands alone."""
        answer = self._ask(gathering, {"id_list": ",".join(ids), "max_results": len(ids)})
        if answer is None:
            return []
        page = parse_page(answer.body)
        if answer.status < 400 and not page.refused:
            gathering.note(answer.problem or page.problem)
            return list(page.papers)
        if len(ids) == 1 or gathering.traffic.requests > MOST_HALVINGS:
            gathering.note(page.problem)
            return []
        middle = len(ids) // 2
        return self._by_id(gathering, ids[:middle]) + self._by_id(gathering, ids[middle:])

    def _ask(self, gathering: Gathering, query: Mapping[str, str | int]) -> Answer | None:
        url = f"{self.api}/api/query?{urlencode(query)}"
        return gathering.get(url, pace=PACE, understood=(400,), remembered=False)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the API's answer."""

    papers: tuple[Paper, ...] = ()
    entries: int = 0
    """How many stood on it, readable or not."""
    total: int = 0
    """How many the whole answer has."""
    problem: str = ""
    refused: bool = False
    """The query itself was faulty; `problem` says how."""


def parse(body: bytes) -> tuple[list[Listing], datetime | None, str]:
    """(listings, the midnight in New York under which they were announced, problem) of the day's RSS or Atom feed."""
    if _is_refusal(body):
        return [], None, refusal(body)
    entries, about, problem = feed.read(body)
    days = [day for entry in entries if (day := feed.moment(entry, "published"))]
    announced = feed.moment(about, "published") or max(days, default=None)
    if announced is None:
        return [], None, problem or ("answered with a feed without dates" if entries else "")
    listings = [listing for entry in entries if (listing := _announced(entry, announced))]
    if entries and not listings and not problem:
        problem = "answered with entries of an unknown form"
    return listings, announced, problem


def parse_page(body: bytes) -> Page:
    """One answer of the API; an error comes as a feed with one entry that says so."""
    entries, about, problem = feed.read(body)
    errors = [entry for entry in entries if "/api/errors" in str(entry.get("id") or "")]
    if errors:
        return Page(problem=f"refused the query: {one_line(errors[0].get('summary') or '')[:100]}", refused=True)
    papers = tuple(paper for entry in entries if (paper := _from_api(entry)))
    total = str(about.get("opensearch_totalresults") or "")
    return Page(papers, len(entries), int(total) if total.isdecimal() and len(total) < 10 else len(entries), problem)


def refusal(body: bytes) -> str:
    """Why arXiv's feed server refused, as it says in the description of a feed without entries; "" if it does not."""
    about = feed.read(body)[1]
    return one_line(about.get("description") or about.get("subtitle") or "")[:100]


def due(since: datetime | None, now: datetime) -> list[datetime]:
    """The announcements that by the calendar were made after *since* and up to *now*; without *since*, the last one.

    Holidays are not known here: nothing is announced then, and asking for it finds nothing.
    """
    today = now.astimezone(_EASTERN).date()
    midnights = [_midnight(today - timedelta(days=back)) for back in range(LONGEST_GAP.days, -1, -1)]
    made = [at for at in midnights if at <= now and at.astimezone(_EASTERN).weekday() < 5]
    return made[-1:] if since is None else [at for at in made if at > since]


def opened(announced: datetime) -> datetime:
    """From when on (UTC) submissions were taken for what was announced at *announced*."""
    deadline = _weekday(announced.astimezone(_EASTERN).date(), -1)
    return datetime.combine(_weekday(deadline, -1), DEADLINE, _EASTERN).astimezone(UTC)


def announcement(submitted: datetime) -> datetime:
    """Under which midnight in New York (as UTC) a paper submitted at *submitted* was announced, had it no delay."""
    local = submitted.astimezone(_EASTERN)
    deadline = local.date() if local.time() < DEADLINE else local.date() + timedelta(days=1)
    if deadline.weekday() >= 5:
        deadline = _weekday(deadline, 1)
    return _midnight(_weekday(deadline, 1))


def _weekday(day: date, step: int) -> date:
    """The next (*step* 1) or the previous (-1) day from Monday to Friday."""
    day += timedelta(days=step)
    while day.weekday() >= 5:
        day += timedelta(days=step)
    return day


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), _EASTERN).astimezone(UTC)


def _is_refusal(body: bytes) -> bool:
    return b"Feed error for query" in body[:4000]


def _well_formed(categories: Sequence[str], gathering: Gathering) -> list[str]:
    odd = [category for category in categories if not _CATEGORY.fullmatch(category)]
    if odd:
        gathering.note(f"no such category: {', '.join(odd)[:100]}")
    return sorted({*categories} - {*odd})


def _any_of(categories: Sequence[str]) -> str:
    """`cs.CL` is itself; an archive such as `cs` or `hep-th` is itself and all below it."""
    terms = (f"cat:{c}" if "." in c else f"cat:{c} OR cat:{c}.*" for c in categories)
    return " OR ".join(terms)


def _announced(entry: feed.Entry, announced: datetime) -> Listing | None:
    preamble = _PREAMBLE.match(entry.get("summary") or "")
    abstract = (entry.get("summary") or "")[preamble.end() if preamble else 0 :]
    paper = _paper(entry, abstract, feed.terms(entry))
    if paper is None:
        return None
    how = str(entry.get("arxiv_announce_type") or (preamble[1] if preamble else "new"))
    return Listing("arxiv", paper, feed.moment(entry, "published") or announced, _KINDS.get(how, ListingKind.UPDATE))


def _from_api(entry: feed.Entry) -> Paper | None:
    primary = (entry.get("arxiv_primary_category") or {}).get("term")
    categories = tuple(dict.fromkeys(term for term in (primary, *feed.terms(entry)) if term))
    paper = _paper(entry, entry.get("summary") or "", categories)
    return replace(paper, published=feed.moment(entry, "published")) if paper else None


def _paper(entry: feed.Entry, abstract: str, categories: tuple[str, ...]) -> Paper | None:
    key = arxiv_id(str(entry.get("id") or "")) or arxiv_id(str(entry.get("link") or ""))
    title = one_line(entry.get("title") or "")[:1000]
    if not key or not title:
        return None
    return Paper(
        id=key,
        title=title,
        abstract=paragraphs(abstract),
        authors=feed.authors(entry),
        categories=categories,
        doi=doi(str(entry.get("arxiv_doi") or "")),
        url=f"https://arxiv.org/abs/{key}",
        pdf_url=f"https://arxiv.org/pdf/{key}",
    )


def _as_listing(paper: Paper, categories: Sequence[str]) -> Listing:
    """A paper that the API found, as the feed would have listed it."""
    primary = paper.categories[0] if paper.categories else ""
    own = primary in categories or primary.partition(".")[0] in categories
    at = announcement(paper.published) if paper.published else datetime.max.replace(tzinfo=UTC)
    return Listing("arxiv", paper, at, ListingKind.NEW if own else ListingKind.CROSS)
