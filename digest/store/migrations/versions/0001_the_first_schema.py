"""The first schema."""

import sqlalchemy as sa
from alembic import op

from digest.store.schema import Key, Moment, Packed

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "facts",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_facts")),
        comment="Single values: the hash of the roster last synchronised, and the like.",
    )
    op.create_table(
        "papers",
        sa.Column("no", Key, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("doi", sa.Text(), nullable=True),
        sa.Column("first_seen", Moment, nullable=False),
        sa.Column("news_at", Moment, nullable=True),
        sa.Column("fresh_at", Moment, nullable=True),
        sa.Column("look_up_at", Moment, nullable=True),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("no", name=op.f("pk_papers")),
        sa.UniqueConstraint("id", name=op.f("uq_papers_id")),
        comment="One row a work. news_at: the latest listing that made it news, by the source's own time; fresh_at: when that listing reached us, which decides whether a reader can have seen it; both NULL when no source listed it. look_up_at: when to ask for a paper that a reader named and of which only the id is known; else NULL.",
    )
    with op.batch_alter_table("papers", schema=None) as batch_op:
        batch_op.create_index("ix_papers_doi", ["doi"], unique=False)
        batch_op.create_index("ix_papers_fresh_at", ["fresh_at"], unique=False)
        batch_op.create_index(
            "ix_papers_look_up_at",
            ["look_up_at"],
            unique=False,
            sqlite_where=sa.text("look_up_at IS NOT NULL"),
            postgresql_where=sa.text("look_up_at IS NOT NULL"),
        )

    op.create_table(
        "rates",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("tat", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_rates")),
        comment="Theoretical arrival time (seconds since 1970) of the generic cell rate algorithm, one row a limit.",
    )
    op.create_table(
        "runs",
        sa.Column("id", Key, nullable=False),
        sa.Column("started_at", Moment, nullable=False),
        sa.Column("finished_at", Moment, nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
        comment="What each pass did, for `digest status`.",
    )
    op.create_table(
        "sources",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("covered_until", Moment, nullable=True),
        sa.Column("attempted_at", Moment, nullable=False),
        sa.Column("succeeded_at", Moment, nullable=True),
        sa.Column("failing_since", Moment, nullable=True),
        sa.Column("failure", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_sources")),
        comment="How the last pull of each source went.",
    )
    op.create_table(
        "statistics",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("learned_at", Moment, nullable=False),
        sa.Column("papers", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_statistics")),
        comment="Word statistics of the stored papers, as the ranking serialises them; one row.",
    )
    op.create_table(
        "subscribers",
        sa.Column("id", Key, nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("email_key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("papers", sa.Integer(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("days", sa.Text(), nullable=False),
        sa.Column("interests", sa.JSON(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("confirmed_at", Moment, nullable=True),
        sa.Column("paused_until", sa.Date(), nullable=True),
        sa.Column("last_issue", sa.Date(), nullable=True),
        sa.Column("next_due_at", Moment, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscribers")),
        sa.UniqueConstraint("email_key", name=op.f("uq_subscribers_email_key")),
        sa.UniqueConstraint("token", name=op.f("uq_subscribers_token")),
        comment="People. email_key is the normalised address; next_due_at is NULL while nothing is to be sent.",
    )
    with op.batch_alter_table("subscribers", schema=None) as batch_op:
        batch_op.create_index(
            "ix_subscribers_due",
            ["next_due_at", "id"],
            unique=False,
            sqlite_where=sa.text("next_due_at IS NOT NULL"),
            postgresql_where=sa.text("next_due_at IS NOT NULL"),
        )

    op.create_table(
        "validators",
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("last_modified", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("url", name=op.f("pk_validators")),
        comment="For conditional requests.",
    )
    op.create_table(
        "deliveries",
        sa.Column("id", Key, nullable=False),
        sa.Column("subscriber_id", Key, nullable=False),
        sa.Column("issue", sa.Date(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("planned_at", Moment, nullable=False),
        sa.Column("expires_at", Moment, nullable=False),
        sa.Column("ready_at", Moment, nullable=True),
        sa.Column("owner", sa.Text(), server_default="", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("resends", sa.Integer(), server_default="0", nullable=False),
        sa.Column("sent_at", Moment, nullable=True),
        sa.Column("message_id", sa.Text(), server_default="", nullable=False),
        sa.Column("sha256", sa.Text(), server_default="", nullable=False),
        sa.Column("reply", sa.Text(), server_default="", nullable=False),
        sa.Column("papers", sa.LargeBinary(), nullable=False),
        sa.Column("content", Packed, nullable=True),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscribers.id"], name=op.f("fk_deliveries_subscriber_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("subscriber_id", "issue", name=op.f("uq_deliveries_subscriber_id_issue")),
        comment="The outbox: one digest per subscriber and issue. papers: the numbers of the picked papers, 4 bytes each.",
    )
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.create_index("ix_deliveries_issue", ["issue", "state"], unique=False)
        batch_op.create_index(
            "ix_deliveries_ready",
            ["ready_at", "id"],
            unique=False,
            sqlite_where=sa.text("ready_at IS NOT NULL"),
            postgresql_where=sa.text("ready_at IS NOT NULL"),
        )

    op.create_table(
        "editions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("paper_no", Key, nullable=False),
        sa.Column("data", Packed, nullable=False),
        sa.ForeignKeyConstraint(["paper_no"], ["papers.no"], name=op.f("fk_editions_paper_no"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_editions")),
        comment="A paper as it was when it was picked, under the hash of its content; shared by all digests that show it.",
    )
    op.create_table(
        "events",
        sa.Column("id", Key, nullable=False),
        sa.Column("subscriber_id", Key, nullable=False),
        sa.Column("paper_no", Key, nullable=False),
        sa.Column("verb", sa.Text(), nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.ForeignKeyConstraint(["paper_no"], ["papers.no"], name=op.f("fk_events_paper_no"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscribers.id"], name=op.f("fk_events_subscriber_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        comment="What readers said of papers: more, less, save; the latest word on a paper counts.",
    )
    with op.batch_alter_table("events", schema=None) as batch_op:
        batch_op.create_index("ix_events_subscriber", ["subscriber_id", "at"], unique=False)

    op.create_table(
        "listings",
        sa.Column("paper_no", Key, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("listed_at", Moment, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["paper_no"], ["papers.no"], name=op.f("fk_listings_paper_no"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("paper_no", "source", "listed_at", name=op.f("pk_listings")),
        comment="One source showed one paper at one time.",
    )
    op.create_table(
        "readings",
        sa.Column("paper_no", Key, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.Column("upvotes", sa.Integer(), nullable=False),
        sa.Column("comments", sa.Integer(), nullable=False),
        sa.Column("stars", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["paper_no"], ["papers.no"], name=op.f("fk_readings_paper_no"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("paper_no", "source", "at", name=op.f("pk_readings")),
        comment="What the public thought of a paper at one moment.",
    )
