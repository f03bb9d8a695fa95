"""What a delivery keeps of its digest: a line for each pick instead of one piece of JSON."""

import json
import zlib

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

BLOCK = 500
_deliveries = sa.table("deliveries", sa.column("id"), sa.column("content", sa.LargeBinary))


def upgrade() -> None:
    d, connection, last = _deliveries.c, op.get_bind(), 0
    kept = sa.select(d.id, d.content).where(d.content.is_not(None)).order_by(d.id).limit(BLOCK)
    update = _deliveries.update().where(d.id == sa.bindparam("b_id")).values(content=sa.bindparam("b_content"))
    while rows := connection.execute(kept.where(d.id > last)).all():
        connection.execute(update, [{"b_id": row.id, "b_content": _in_lines(row.content)} for row in rows])
        last = rows[-1].id


def _in_lines(content: bytes) -> bytes:
    old = json.loads(zlib.decompress(content))
    picks = [{"edition": pick.pop("paper")["id"], **pick} for pick in old["picks"]]
    day = {name: old[name] for name in ("considered", "sources", "since") if old.get(name)}
    lines = [json.dumps(line, ensure_ascii=False) for line in (old["profile"], day, *picks)]
    return zlib.compress("\n".join(lines).encode(), 3)
