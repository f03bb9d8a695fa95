"""The tables, for SQLite and PostgreSQL alike, and the column types that give back the house's values.

Two columns carry the scheduling of everything: `subscribers.next_due_at` and `deliveries.ready_at`. Both are NULL when
there is nothing to do, so that a partial index holds the few rows that matter, and `column <= :now` finds them. A
partial index on `state IN (…)` with bound parameters is not used by SQLite's planner: 170 times slower, measured.
"""

from __future__ import annotations

import json
import zlib
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa


class Moment(sa.types.TypeDecorator[datetime]):
    """An aware datetime, kept in UTC; refuses naive ones."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """To UTC; without zone where the database has none, so that text order is time order."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a moment needs a zone: {value!r}")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, _dialect: sa.Dialect) -> datetime | None:
        """Aware and in UTC again."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Packed(sa.types.TypeDecorator[Any]):
    """JSON, compressed: the content of a delivery is written once, read once or twice, and never searched."""

    impl = sa.LargeBinary
    cache_ok = True

    def process_bind_param(self, value: Any, _dialect: sa.Dialect) -> bytes | None:
        """Compact JSON through zlib."""
        if value is None:
            return None
        return zlib.compress(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(), 6)

    def process_result_value(self, value: bytes | None, _dialect: sa.Dialect) -> Any:
        """The value again."""
        return None if value is None else json.loads(zlib.decompress(value))


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# A surrogate key that is an alias of SQLite's rowid, and 64 bits wide in PostgreSQL.
Key = sa.BigInteger().with_variant(sa.Integer, "sqlite")

facts = sa.Table(
    "facts",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    comment="Single values: the hash of the roster last synchronised, and the like.",
)

papers = sa.Table(
    "papers",
    metadata,
    sa.Column("no", Key, primary_key=True),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("doi", sa.Text, nullable=True),
    sa.Column("first_seen", Moment, nullable=False),
    sa.Column("news_at", Moment, nullable=True),
    sa.Column("fresh_at", Moment, nullable=True),
    sa.Column("look_up_at", Moment, nullable=True),
    sa.Column("data", sa.JSON, nullable=False),
    sa.Index("ix_papers_doi", "doi"),
    sa.Index(
        "ix_papers_look_up_at",
        "look_up_at",
        sqlite_where=sa.text("look_up_at IS NOT NULL"),
        postgresql_where=sa.text("look_up_at IS NOT NULL"),
    ),
    sa.Index("ix_papers_fresh_at", "fresh_at"),
    comment="One row a work. news_at: the latest listing that made it news, by the source's own time; fresh_at: when "
    "that listing reached us, which decides whether a reader can have seen it; both NULL when no source listed it. "
    "look_up_at: when to ask for a paper that a reader named and of which only the id is known; else NULL.",
)

listings = sa.Table(
    "listings",
    metadata,
    sa.Column("paper_no", Key, sa.ForeignKey("papers.no", ondelete="CASCADE"), primary_key=True),
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("listed_at", Moment, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    comment="One source showed one paper at one time.",
)

readings = sa.Table(
    "readings",
    metadata,
    sa.Column("paper_no", Key, sa.ForeignKey("papers.no", ondelete="CASCADE"), primary_key=True),
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("at", Moment, primary_key=True),
    sa.Column("upvotes", sa.Integer, nullable=False),
    sa.Column("comments", sa.Integer, nullable=False),
    sa.Column("stars", sa.Integer, nullable=True),
    comment="What the public thought of a paper at one moment.",
)

sources = sa.Table(
    "sources",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("covered_until", Moment, nullable=True),
    sa.Column("attempted_at", Moment, nullable=False),
    sa.Column("succeeded_at", Moment, nullable=True),
    sa.Column("failing_since", Moment, nullable=True),
    sa.Column("failure", sa.Text, nullable=False, server_default=""),
    comment="How the last pull of each source went.",
)

validators = sa.Table(
    "validators",
    metadata,
    sa.Column("url", sa.Text, primary_key=True),
    sa.Column("etag", sa.Text, nullable=False),
    sa.Column("last_modified", sa.Text, nullable=False),
    comment="For conditional requests.",
)

rates = sa.Table(
    "rates",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("tat", sa.Double, nullable=False),
    comment="Theoretical arrival time (seconds since 1970) of the generic cell rate algorithm, one row a limit.",
)

statistics = sa.Table(
    "statistics",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("learned_at", Moment, nullable=False),
    sa.Column("papers", sa.Integer, nullable=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
    comment="Word statistics of the stored papers, as the ranking serialises them; one row.",
)

subscribers = sa.Table(
    "subscribers",
    metadata,
    sa.Column("id", Key, primary_key=True),
    sa.Column("token", sa.Text, nullable=False, unique=True),
    sa.Column("email", sa.Text, nullable=False),
    sa.Column("email_key", sa.Text, nullable=False, unique=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("language", sa.Text, nullable=False),
    sa.Column("papers", sa.Integer, nullable=False),
    sa.Column("zone", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("days", sa.Text, nullable=False),
    sa.Column("interests", sa.JSON, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("confirmed_at", Moment, nullable=True),
    sa.Column("paused_until", sa.Date, nullable=True),
    sa.Column("last_issue", sa.Date, nullable=True),
    sa.Column("next_due_at", Moment, nullable=True),
    sa.Index(
        "ix_subscribers_due",
        "next_due_at",
        "id",
        sqlite_where=sa.text("next_due_at IS NOT NULL"),
        postgresql_where=sa.text("next_due_at IS NOT NULL"),
    ),
    comment="People. email_key is the normalised address; next_due_at is NULL while nothing is to be sent.",
)

editions = sa.Table(
    "editions",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("paper_no", Key, sa.ForeignKey("papers.no", ondelete="CASCADE"), nullable=False),
    sa.Column("data", Packed, nullable=False),
    comment="A paper as it was when it was picked, under the hash of its content; shared by all digests that show it.",
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", Key, primary_key=True),
    sa.Column("subscriber_id", Key, sa.ForeignKey("subscribers.id", ondelete="CASCADE"), nullable=False),
    sa.Column("issue", sa.Date, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("planned_at", Moment, nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
    sa.Column("ready_at", Moment, nullable=True),
    sa.Column("owner", sa.Text, nullable=False, server_default=""),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("resends", sa.Integer, nullable=False, server_default="0"),
    sa.Column("sent_at", Moment, nullable=True),
    sa.Column("message_id", sa.Text, nullable=False, server_default=""),
    sa.Column("sha256", sa.Text, nullable=False, server_default=""),
    sa.Column("reply", sa.Text, nullable=False, server_default=""),
    sa.Column("papers", sa.LargeBinary, nullable=False),
    sa.Column("content", Packed, nullable=True),
    sa.UniqueConstraint("subscriber_id", "issue"),
    sa.Index(
        "ix_deliveries_ready",
        "ready_at",
        "id",
        sqlite_where=sa.text("ready_at IS NOT NULL"),
        postgresql_where=sa.text("ready_at IS NOT NULL"),
    ),
    sa.Index("ix_deliveries_issue", "issue", "state"),
    comment="The outbox: one digest per subscriber and issue. papers: the numbers of the picked papers, 4 bytes each.",
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", Key, primary_key=True),
    sa.Column("subscriber_id", Key, sa.ForeignKey("subscribers.id", ondelete="CASCADE"), nullable=False),
    sa.Column("paper_no", Key, sa.ForeignKey("papers.no", ondelete="CASCADE"), nullable=False),
    sa.Column("verb", sa.Text, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Index("ix_events_subscriber", "subscriber_id", "at"),
    comment="What readers said of papers: more, less, save; the latest word on a paper counts.",
)

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", Key, primary_key=True),
    sa.Column("started_at", Moment, nullable=False),
    sa.Column("finished_at", Moment, nullable=False),
    sa.Column("report", sa.JSON, nullable=False),
    comment="What each pass did, for `digest status`.",
)

signups = sa.Table(
    "signups",
    metadata,
    sa.Column("token", sa.Text, primary_key=True),
    sa.Column("profile", sa.JSON, nullable=True),
    sa.Column("asked_at", Moment, nullable=False),
    sa.Column("asked_from", sa.Text, nullable=False),
    sa.Column("wording", sa.Text, nullable=False),
    sa.Column("mails", sa.Integer, nullable=False),
    sa.Index("ix_signups_asked_at", "asked_at"),
    comment="Filled-in forms that nobody confirmed. Of an old one only a keyed hash and the number of mails are kept.",
)

consents = sa.Table(
    "consents",
    metadata,
    sa.Column("id", Key, primary_key=True),
    sa.Column("subscriber_id", Key, sa.ForeignKey("subscribers.id", ondelete="CASCADE"), nullable=False),
    sa.Column("asked_at", Moment, nullable=False),
    sa.Column("asked_from", sa.Text, nullable=False),
    sa.Column("confirmed_at", Moment, nullable=False),
    sa.Column("confirmed_from", sa.Text, nullable=False),
    sa.Column("wording", sa.Text, nullable=False),
    sa.Index("ix_consents_subscriber_id", "subscriber_id"),
    sa.Index("ix_consents_confirmed_at", "confirmed_at"),
    comment="Who agreed to what, when, and from which network; the networks are forgotten after a while.",
)

suppressions = sa.Table(
    "suppressions",
    metadata,
    sa.Column("token", sa.Text, primary_key=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("at", Moment, nullable=False),
    comment="Addresses never to be written to, as keyed hashes; they outlive everything else about a person.",
)

letters = sa.Table(
    "letters",
    metadata,
    sa.Column("id", Key, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("token", sa.Text, nullable=False),
    sa.Column("email", sa.Text, nullable=False),
    sa.Column("language", sa.Text, nullable=False),
    sa.Column("details", sa.JSON, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("ready_at", Moment, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Index("ix_letters_ready_at", "ready_at", "id"),
    comment="Mails that are no digests (confirm, welcome, preferences), until they are sent.",
)

census = sa.Table(
    "census",
    metadata,
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("state", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, nullable=False),
    comment="How many subscribers were in each state at the end of a day.",
)

bounces = sa.Table(
    "bounces",
    metadata,
    sa.Column("id", Key, primary_key=True),
    sa.Column("subscriber_id", Key, sa.ForeignKey("subscribers.id", ondelete="CASCADE"), nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Index("ix_bounces_subscriber", "subscriber_id", "at"),
    comment="What came back from subscribers' addresses, for a while: the score of it decides when to stop.",
)
