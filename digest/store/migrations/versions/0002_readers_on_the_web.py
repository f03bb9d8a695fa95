"""What the web pages keep: sign-ups, consent, suppressions, letters, the census."""

import sqlalchemy as sa
from alembic import op

from digest.store.schema import Key, Moment

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "signups",
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("profile", sa.JSON(), nullable=True),
        sa.Column("asked_at", Moment, nullable=False),
        sa.Column("asked_from", sa.Text(), nullable=False),
        sa.Column("wording", sa.Text(), nullable=False),
        sa.Column("mails", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_signups")),
        comment="Filled-in forms that nobody confirmed. Of an old one only a keyed hash and the number of mails are kept.",
    )
    with op.batch_alter_table("signups", schema=None) as batch_op:
        batch_op.create_index("ix_signups_asked_at", ["asked_at"], unique=False)
    op.create_table(
        "consents",
        sa.Column("id", Key, nullable=False),
        sa.Column("subscriber_id", Key, nullable=False),
        sa.Column("asked_at", Moment, nullable=False),
        sa.Column("asked_from", sa.Text(), nullable=False),
        sa.Column("confirmed_at", Moment, nullable=False),
        sa.Column("confirmed_from", sa.Text(), nullable=False),
        sa.Column("wording", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["subscriber_id"],
            ["subscribers.id"],
            name=op.f("fk_consents_subscriber_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
        comment="Who agreed to what, when, and from which network; the networks are forgotten after a while.",
    )
    with op.batch_alter_table("consents", schema=None) as batch_op:
        batch_op.create_index("ix_consents_confirmed_at", ["confirmed_at"], unique=False)
        batch_op.create_index("ix_consents_subscriber_id", ["subscriber_id"], unique=False)
    op.create_table(
        "suppressions",
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_suppressions")),
        comment="Addresses never to be written to, as keyed hashes; they outlive everything else about a person.",
    )
    op.create_table(
        "letters",
        sa.Column("id", Key, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.Column("ready_at", Moment, nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_letters")),
        comment="Mails that are no digests (confirm, welcome, preferences), until they are sent.",
    )
    with op.batch_alter_table("letters", schema=None) as batch_op:
        batch_op.create_index("ix_letters_ready_at", ["ready_at", "id"], unique=False)
    op.create_table(
        "census",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", "state", name=op.f("pk_census")),
        comment="How many subscribers were in each state at the end of a day.",
    )
