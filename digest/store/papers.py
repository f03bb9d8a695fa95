"""Papers, where and when they were listed, and what the public thought of them over time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from digest.models import Candidate, Listing, ListingKind, Paper, Signal
from digest.store import codec, schema
from digest.store.engine import Database

BLOCK = 500
"""Ids in one IN list."""

ASK_AGAIN = timedelta(days=7)
"""After a look-up that did not find the paper."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What `add` did with a pull."""

    listings: int
    new: int
    """Papers never heard of before."""
    merged: int
    """Papers that another source had brought already."""


def merge(known: Paper, heard: Paper) -> Paper:
    """One paper from two accounts of it: what is missing is filled in, and the longer abstract is kept.

    The identity, and the byline once there is one, stay those of the first account.
    """
    changes: dict[str, Any] = {
        f.name: getattr(heard, f.name)
        for f in fields(Paper)
        if getattr(heard, f.name) and not getattr(known, f.name) and f.name != "id"
    }
    if len(heard.abstract) > len(known.abstract):
        changes["abstract"] = heard.abstract
    if set(heard.categories) > set(known.categories):
        changes["categories"] = heard.categories
    return replace(known, **changes) if changes else known


class Papers:
    """The papers, listings and readings of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, listings: Sequence[Listing], now: datetime) -> Stored:
        """Keep what a source showed; saying the same twice changes nothing."""
        with self._database.writing(alone_in=schema.papers) as connection:
            writer = _Writer(self._database, connection, now)
            for block in _blocks(listings):
                writer.add(block)
            return Stored(len(listings), writer.new, writer.merged)

    def wanted(self, now: datetime, limit: int) -> list[str]:
        """At most *limit* ids that readers named and of which nothing else is known yet."""
        p = schema.papers.c
        query = sa.select(p.id).where(p.look_up_at <= now).order_by(p.look_up_at, p.no).limit(limit)
        with self._database.reading() as connection:
            return list(connection.scalars(query))

    def add_looked_up(self, asked: Iterable[str], found: Iterable[Paper], now: datetime) -> None:
        """Keep what a look-up of *asked* brought; what it did not bring is asked for again in a week."""
        papers = {paper.id: paper for paper in found}
        p = schema.papers
        update = p.update().where(p.c.id == sa.bindparam("b_id"))
        known = [
            {"b_id": id_, "doi": x.doi or None, "data": codec.papers.dump(x), "look_up_at": None}
            for id_, x in papers.items()
        ]
        later = [{"b_id": id_, "look_up_at": now + ASK_AGAIN} for id_ in asked if id_ not in papers]
        with self._database.writing() as connection:
            for rows in filter(None, (known, later)):
                connection.execute(update, rows)

    def candidates(self, since: datetime, now: datetime) -> list[Candidate]:
        """What became news since *since*, as known at *now*; oldest first."""
        p = schema.papers.c
        fresh = sa.and_(p.fresh_at >= since, p.fresh_at <= now, p.news_at <= now)
        with self._database.reading() as connection:
            rows = connection.execute(sa.select(p.no, p.id, p.data, p.first_seen, p.news_at).where(fresh)).all()
            listed = _grouped(connection, schema.listings, "listed_at", fresh, now)
            read = _grouped(connection, schema.readings, "at", fresh, now)
        found = [
            Candidate(
                paper=codec.papers.load(row.data),
                listed_at=row.news_at,
                sources=tuple(dict.fromkeys(r.source for r in listed[row.no] if r.kind != ListingKind.UPDATE)),
                signals=tuple(Signal(r.at, r.upvotes, r.comments, r.stars) for r in read[row.no]),
                first_seen=row.first_seen,
            )
            for row in rows
        ]
        return sorted(found, key=lambda c: (c.listed_at, c.paper.id))

    def by_id(self, ids: Iterable[str]) -> dict[str, Paper]:
        """The known ones of *ids*."""
        p = schema.papers.c
        found: dict[str, Paper] = {}
        with self._database.reading() as connection:
            for block in _blocks(sorted(set(ids))):
                rows = connection.execute(sa.select(p.id, p.data).where(p.id.in_(block), p.look_up_at.is_(None)))
                found |= {row.id: codec.papers.load(row.data) for row in rows}
        return found

    def count(self) -> int:
        """How many papers were ever news."""
        query = sa.select(sa.func.count()).where(schema.papers.c.news_at.is_not(None))
        with self._database.reading() as connection:
            return connection.scalar(query) or 0

    def begun(self) -> datetime | None:
        """When the first paper of all was stored."""
        p = schema.papers.c
        with self._database.reading() as connection:
            moment: datetime | None = connection.scalar(sa.select(p.first_seen).order_by(p.no).limit(1))
            return moment

    def news_by_source(self, since: datetime, now: datetime) -> dict[str, int]:
        """How many papers each source listed as news among those that came in since *since*."""
        p, x = schema.papers.c, schema.listings.c
        query = (
            sa.select(x.source, sa.func.count(sa.distinct(x.paper_no)).label("number"))
            .join(schema.papers, p.no == x.paper_no)
            .where(p.fresh_at > since, p.fresh_at <= now, x.kind != ListingKind.UPDATE.value)
            .group_by(x.source)
        )
        with self._database.reading() as connection:
            return {row.source: row.number for row in connection.execute(query)}

    def newest(self, limit: int) -> Iterator[Paper]:
        """The latest *limit* papers that were news, newest first: the ground for word statistics."""
        p = schema.papers.c
        query = sa.select(p.data).where(p.news_at.is_not(None)).order_by(p.news_at.desc(), p.no.desc()).limit(limit)
        with self._database.reading() as connection:
            for row in connection.execute(query):
                yield codec.papers.load(row.data)


class _Writer:
    """One transaction's worth of listings."""

    def __init__(self, database: Database, connection: sa.Connection, now: datetime) -> None:
        self._insert, self._connection, self._now = database.insert, connection, now
        self.new = self.merged = 0

    def add(self, listings: Sequence[Listing]) -> None:
        known = self._known([listing.paper for listing in listings])
        identities = {name: row["id"] for name, row in known.items()}
        heard: dict[str, list[Listing]] = defaultdict(list)
        for listing in listings:
            paper = listing.paper
            identity = identities.get(paper.id) or identities.get(paper.doi) or paper.id
            for name in filter(None, (paper.id, paper.doi)):
                identities.setdefault(name, identity)
            heard[identity].append(listing)
        rows = {row["id"]: row for row in known.values()}
        sources = self._sources([row["no"] for row in rows.values()])
        numbers = self._papers(heard, rows, sources)
        self._listings(heard, numbers, sources)
        self._readings(heard, numbers)

    def _known(self, papers: Sequence[Paper]) -> dict[str, dict[str, Any]]:
        """Stored rows by id and by DOI."""
        p = schema.papers.c
        ids, dois = {x.id for x in papers}, {x.doi or x.id for x in papers}
        query = sa.select(schema.papers).where(p.id.in_(ids | dois) | p.doi.in_(ids | dois))
        rows = [dict(row) for row in self._connection.execute(query).mappings()]
        return {row["doi"]: row for row in rows if row["doi"]} | {row["id"]: row for row in rows}

    def _sources(self, numbers: Sequence[int]) -> dict[int, set[str]]:
        """Who has listed these papers as news before."""
        x = schema.listings.c
        query = sa.select(x.paper_no, x.source).where(x.paper_no.in_(numbers), x.kind != ListingKind.UPDATE.value)
        sources: dict[int, set[str]] = defaultdict(set)
        for row in self._connection.execute(query):
            sources[row.paper_no].add(row.source)
        return sources

    def _papers(
        self,
        heard: Mapping[str, list[Listing]],
        known: Mapping[str, dict[str, Any]],
        sources: Mapping[int, set[str]],
    ) -> dict[str, int]:
        inserts, updates, numbers = [], [], {}
        for paper_id, listings in heard.items():
            row = known.get(paper_id)
            paper = codec.papers.load(row["data"]) if row else listings[0].paper
            for listing in listings:
                paper = merge(paper, listing.paper)
            values = {"doi": paper.doi or None, "data": codec.papers.dump(paper), "look_up_at": None}
            values |= self._news(listings, row, sources[row["no"]] if row else set())
            if row is None:
                inserts.append({"id": paper_id, "first_seen": self._now, **values})
                continue
            numbers[paper_id] = row["no"]
            if any(row[name] != value for name, value in values.items()):
                updates.append({"b_no": row["no"], **values})
        if updates:
            update = schema.papers.update().where(schema.papers.c.no == sa.bindparam("b_no"))
            self._connection.execute(update, updates)
        if inserts:
            self.new += len(inserts)
            returned = self._connection.execute(
                self._insert(schema.papers).returning(schema.papers.c.no, schema.papers.c.id), inserts
            )
            numbers |= {row.id: row.no for row in returned}
        return numbers

    def _news(
        self, listings: Sequence[Listing], row: Mapping[str, Any] | None, before: set[str]
    ) -> dict[str, datetime | None]:
        """A paper is news when a source lists it that has not listed it *before*, later than the others did.

        A source that repeats itself, such as a feed without dates, does not make it news again.
        """
        known: datetime | None = row["news_at"] if row else None
        latest = max((x.listed_at for x in listings if _is_news(x, before)), default=None)
        if latest is None or (known is not None and latest <= known):
            return {"news_at": known, "fresh_at": row["fresh_at"] if row else None}
        return {"news_at": latest, "fresh_at": self._now}

    def _listings(
        self, heard: Mapping[str, list[Listing]], numbers: Mapping[str, int], sources: dict[int, set[str]]
    ) -> None:
        rows = []
        for paper_id, listings in heard.items():
            no = numbers[paper_id]
            before = set(sources[no])
            for x in listings:
                self.merged += bool(sources[no]) and x.source not in sources[no]
                sources[no].add(x.source)
                if x.kind == ListingKind.UPDATE or _is_news(x, before):
                    rows.append({"paper_no": no, "source": x.source, "listed_at": x.listed_at, "kind": x.kind.value})
        if rows:
            self._connection.execute(self._insert(schema.listings).on_conflict_do_nothing(), rows)

    def _readings(self, heard: Mapping[str, list[Listing]], numbers: Mapping[str, int]) -> None:
        rows = [
            {
                "paper_no": numbers[paper_id],
                "source": x.source,
                "at": x.signal.at.astimezone(UTC),
                "upvotes": x.signal.upvotes,
                "comments": x.signal.comments,
                "stars": x.signal.stars,
            }
            for paper_id, listings in heard.items()
            for x in listings
            if x.signal
        ]
        if rows:
            self._connection.execute(self._insert(schema.readings).on_conflict_do_nothing(), rows)


def _is_news(listing: Listing, before: set[str]) -> bool:
    return listing.kind != ListingKind.UPDATE and listing.source not in before


def _grouped(
    connection: sa.Connection, table: sa.Table, when: str, fresh: sa.ColumnElement[bool], now: datetime
) -> dict[int, list[Any]]:
    """The rows of *table* that belong to fresh papers, up to *now*, by paper and in order of time."""
    query = (
        sa.select(table)
        .join(schema.papers, schema.papers.c.no == table.c.paper_no)
        .where(fresh, table.c[when] <= now)
        .order_by(table.c[when], table.c.source)
    )
    groups: dict[int, list[Any]] = defaultdict(list)
    for row in connection.execute(query):
        groups[row.paper_no].append(row)
    return groups


def _blocks(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), BLOCK):
        yield values[start : start + BLOCK]
