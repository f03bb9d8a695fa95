"""What the database may forget, and how large it is.

It never forgets that a paper was known, who listed it, or which papers a digest showed: without one of these a paper
would come twice. Everything else has its time; docs/operation.md says what a year of it weighs.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import sqlalchemy as sa

from digest.models import ListingKind, Paper
from digest.store import codec, schema
from digest.store.engine import Database

SIGNALS = timedelta(days=35)
"""Readings and updates of papers, and embeddings that nobody asked for: a candidate is at most 30 days old."""

CONTENTS = timedelta(days=90)
"""What a digest said, for its page on the web; and what passes did."""

PAPERS = timedelta(days=CONTENTS.days + 31)
"""Whole papers, and editions of them: a digest that is kept shows none older."""

VALIDATORS = 1000
"""Rows; beyond that all are forgotten, which costs each upstream one whole answer."""

BLOCK = 500
ABSTRACT, AUTHORS = 300, 3
"""What stays of an old paper, beside its title: enough to know a liked one by."""
SHORT = 1000
"""Characters of JSON; a paper with fewer is left as it is."""


class Attic:
    """The old things of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def tidy(self, now: datetime, whole_papers: int) -> dict[str, int]:
        """Forget what is too old.

        Args:
            now: the moment.
            whole_papers: so many of the latest papers stay whole, however old.

        Returns:
            How many rows of each kind were removed or shortened.
        """
        d, e, r, x = (t.c for t in (schema.deliveries, schema.editions, schema.runs, schema.listings))
        old_papers = sa.select(schema.papers.c.no).where(schema.papers.c.fresh_at < now - PAPERS)
        old_issue = sa.and_(d.issue < (now - CONTENTS).date(), d.content.is_not(None), d.ready_at.is_(None))
        bare = {"content": None, "message_id": "", "sha256": "", "reply": ""}
        old_update = sa.and_(x.kind == ListingKind.UPDATE.value, x.listed_at < now - SIGNALS)
        steps = {
            "readings": schema.readings.delete().where(schema.readings.c.at < now - SIGNALS),
            "updates": schema.listings.delete().where(old_update),
            "contents": schema.deliveries.update().where(old_issue).values(bare),
            "editions": schema.editions.delete().where(e.paper_no.in_(old_papers)),
            "runs": schema.runs.delete().where(r.finished_at < now - CONTENTS),
            "vectors": schema.vectors.delete().where(schema.vectors.c.used_at < now - SIGNALS),
            "validators": schema.validators.delete().where(_count(schema.validators) > VALIDATORS),
        }
        done = {}
        for name, statement in steps.items():  # each for itself: none keeps the write lock for long
            with self._database.writing() as connection:
                done[name] = connection.execute(statement).rowcount
        return {**done, "papers": self._shorten(now, whole_papers)}

    def sizes(self) -> dict[str, int]:
        """Bytes of the database, and rows of each table that grows."""
        names = ("papers", "listings", "readings", "editions", "deliveries", "runs", "vectors")
        tables = [schema.metadata.tables[name] for name in names]
        with self._database.reading() as connection:
            if self._database.dialect == "postgresql":
                used = connection.scalar(sa.text("SELECT pg_database_size(current_database())"))
            else:
                pages, free, size = (
                    connection.scalar(sa.text(f"PRAGMA {name}"))
                    for name in ("page_count", "freelist_count", "page_size")
                )
                used = (pages - free) * size
            return {"bytes": int(used), **{t.name: connection.scalar(sa.select(_count(t))) or 0 for t in tables}}

    def _shorten(self, now: datetime, whole_papers: int) -> int:
        """Keep of old papers only what tells them apart, but for those that a reader named or marked."""
        p = schema.papers
        with self._database.reading() as connection:
            latest = sa.select(p.c.fresh_at).where(p.c.fresh_at.is_not(None)).order_by(p.c.fresh_at.desc())
            oldest = connection.scalar(latest.offset(whole_papers).limit(1))
            named, marked = _named(connection), set(connection.scalars(sa.select(schema.events.c.paper_no).distinct()))
        if oldest is None:
            return 0
        long = sa.func.length(sa.cast(p.c.data, sa.Text)) > SHORT
        query = sa.select(p.c.no, p.c.id, p.c.data).where(p.c.fresh_at <= oldest, p.c.fresh_at < now - PAPERS, long)
        update = p.update().where(p.c.no == sa.bindparam("b_no"))
        last, done = 0, 0
        while True:
            with self._database.writing() as connection:
                rows = connection.execute(query.where(p.c.no > last).order_by(p.c.no).limit(BLOCK)).all()
                short = [
                    {"b_no": row.no, "data": codec.papers.dump(_shortened(codec.papers.load(row.data)))}
                    for row in rows
                    if row.no not in marked and row.id not in named
                ]
                if short:
                    connection.execute(update, short)
            if not rows:
                return done
            last, done = rows[-1].no, done + len(short)


def _shortened(paper: Paper) -> Paper:
    return Paper(
        id=paper.id,
        title=paper.title,
        abstract=paper.abstract[:ABSTRACT],
        authors=paper.authors[:AUTHORS],
        categories=paper.categories[:AUTHORS],
        doi=paper.doi,
        url=paper.url,
    )


def _named(connection: sa.Connection) -> set[str]:
    """Ids of the papers that subscribers like or dislike."""
    s = schema.subscribers.c
    text = sa.cast(s.interests, sa.Text)
    rows: Iterable[dict[str, list[str]]] = connection.scalars(sa.select(s.interests).where(text.like('%liked"%')))
    return {id_ for row in rows for kind in ("liked", "disliked") for id_ in row.get(kind, ())}


def _count(table: sa.Table) -> sa.ScalarSelect[int]:
    return sa.select(sa.func.count()).select_from(table).scalar_subquery()
