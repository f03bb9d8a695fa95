"""${message}."""

import sqlalchemy as sa
from alembic import op

from digest.store.schema import Key, Moment, Packed

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}
