"""What readers want on days without a match, and whether a paper may come once more."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("subscribers", sa.Column("when_quiet", sa.Text(), server_default="trending", nullable=False))
    op.add_column("subscribers", sa.Column("again", sa.Boolean(), server_default=sa.false(), nullable=False))
