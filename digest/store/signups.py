"""Filled-in forms that wait for a confirmation, and the proof of consent that a confirmed one leaves behind."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from digest.models import Profile
from digest.store import codec, schema
from digest.store.engine import Database
from digest.store.letters import Letter, queue

MAIL_AGAIN = timedelta(hours=24)
MOST_MAILS = 3
"""So often an address is asked to confirm, ever; then there is silence."""
LIFE = timedelta(days=7)
"""As long as a confirmation link works. Then address and wishes are forgotten; the hash stays, to count the mails."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Where a form came from, and what its sender agreed to."""

    network: str
    """The sender's network, never the whole address: "192.0.2.0/24"."""
    wording: str


class Signups:
    """The unconfirmed sign-ups of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ask(self, token: str, profile: Profile, asked: Asked, now: datetime) -> bool:
        """Keep a form and have a confirmation mailed; False when that address has been asked enough.

        While an earlier form waits for its confirmation, a later one does not replace it: what the mail confirms is
        what was asked for before the mail was written, whoever fills in forms meanwhile.
        """
        s = schema.signups
        values = {
            "profile": codec.profiles.dump(profile),
            "asked_at": now,
            "asked_from": asked.network,
            "wording": asked.wording,
        }
        upsert = (
            self._database.insert(s)
            .values(token=token, mails=1, **values)
            .on_conflict_do_update(
                index_elements=["token"],
                set_={**values, "mails": s.c.mails + 1},
                where=sa.and_(s.c.asked_at <= now - MAIL_AGAIN, s.c.mails < MOST_MAILS),
            )
            .returning(s.c.mails)
        )
        with self._database.writing() as connection:
            if connection.execute(upsert).first() is None:
                return False
            queue(connection, Letter("confirm", token, profile.email, now, profile.language))
        return True

    def get(self, token: str) -> tuple[Profile, datetime] | None:
        """What waits to be confirmed, and since when."""
        s = schema.signups.c
        query = sa.select(s.profile, s.asked_at).where(s.token == token, s.profile.is_not(None))
        with self._database.reading() as connection:
            row = connection.execute(query).first()
        return (codec.profiles.load(row.profile), row.asked_at) if row and row.profile else None

    def expire(self, now: datetime) -> int:
        """Forget the addresses and wishes that nobody confirmed in time; how many."""
        s = schema.signups
        old = sa.and_(s.c.asked_at <= now - LIFE, s.c.asked_from != _GONE)
        with self._database.writing() as connection:
            return connection.execute(s.update().where(old).values(profile=sa.null(), asked_from=_GONE)).rowcount

    def recent(self, since: datetime) -> tuple[int, int]:
        """How many were asked since *since* and have not confirmed, and how many have."""
        s, c = schema.signups.c, schema.consents.c
        with self._database.reading() as connection:
            waiting = connection.scalar(sa.select(sa.func.count()).where(s.asked_at >= since)) or 0
            confirmed = connection.scalar(sa.select(sa.func.count()).where(c.confirmed_at >= since)) or 0
        return waiting, confirmed


_GONE = "forgotten"
