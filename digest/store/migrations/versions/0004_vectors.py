"""Embeddings, for the semantic extra."""

import sqlalchemy as sa
from alembic import op

from digest.store.schema import Key, Moment

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "vectors",
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("paper_no", Key, nullable=True),
        sa.Column("used_at", Moment, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["paper_no"], ["papers.no"], name=op.f("fk_vectors_paper_no"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("model", "key", name=op.f("pk_vectors")),
        comment="Embeddings of papers and phrases, two bytes a dimension, under a hash of the text; paper_no is NULL "
        "for phrases.",
    )
    with op.batch_alter_table("vectors", schema=None) as batch_op:
        batch_op.create_index("ix_vectors_paper_no", ["paper_no"], unique=False)
        batch_op.create_index("ix_vectors_used_at", ["used_at"], unique=False)
