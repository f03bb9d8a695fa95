"""What readers themselves decide about their rows: confirming, changing, pausing, leaving, being forgotten.

Who does any of it on the web speaks for themselves from then on: their origin becomes WEB, and the operator's roster
no longer changes what they chose.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from digest.due import next_due
from digest.models import Origin, Profile, Subscriber, SubscriberState
from digest.store import codec, schema
from digest.store.engine import Database
from digest.store.letters import Letter, queue
from digest.store.person import key_of, profile_of, rows_of, subscriber_of, values_of
from digest.store.subscribers import Subscribers, TokenOf

ALIVE = (SubscriberState.ACTIVE, SubscriberState.PAUSED)


class Readers(Subscribers):
    """The subscribers of a database, as changed by themselves."""

    def __init__(self, database: Database, token_of: TokenOf) -> None:
        super().__init__(database, token_of)
        self._database = database

    def confirm(
        self, token: str, network: str, now: datetime, welcome: Callable[[Subscriber], Letter]
    ) -> Subscriber | None:
        """Turn the sign-up of *token* into an active subscriber whose first issue is due at once.

        The proof of consent, the subscriber and the letter are kept together or not at all. None when nothing waits to
        be confirmed.
        """
        with self._database.writing() as connection:
            query = sa.delete(schema.signups).where(_u.token == token, _u.profile.is_not(None)).returning(*_u)
            found = connection.execute(query).mappings().first()
            if found is None or found["profile"] is None:
                return None
            profile = codec.profiles.load(found["profile"])
            self._enter(connection, token, profile, now)
            row = self._row(connection, profile.email)
            if row is None:
                return None
            asked = {name: found[name] for name in ("asked_at", "asked_from", "wording")}
            values = {"subscriber_id": row["id"], "confirmed_at": now, "confirmed_from": network, **asked}
            connection.execute(schema.consents.insert().values(values))
            person = subscriber_of(row)
            queue(connection, welcome(person))
            return person

    def edit(self, token: str, change: Callable[[Profile], Profile], now: datetime) -> Subscriber | None:
        """Let *change* rewrite what is known of somebody; None when nobody has that token."""
        with self._database.writing() as connection:
            row = self._by_token(connection, token)
            if row is None:
                return None
            profile = change(profile_of(row))
            values = values_of(profile) | {"email": row["email"], "origin": Origin.WEB.value}
            moved = any(row[name] != values[name] for name in ("zone", "at", "days"))
            if moved and row["state"] == SubscriberState.ACTIVE:
                values["next_due_at"] = next_due(profile.schedule, now, row["last_issue"])
            self._change(connection, row["id"], values)
            self._want(connection, [profile], now)
            return subscriber_of(row | values)

    def pause(self, token: str, until: date | None, now: datetime) -> Subscriber | None:
        """Send nothing until *until*, or until told otherwise; only who gets digests can pause."""
        return self._move(token, ALIVE, SubscriberState.PAUSED, now, until)

    def resume(self, token: str, now: datetime) -> Subscriber | None:
        """End a pause."""
        return self._move(token, (SubscriberState.PAUSED,), SubscriberState.ACTIVE, now)

    def leave(
        self, token: str, now: datetime, goodbye: Callable[[Subscriber], Letter] | None = None
    ) -> Subscriber | None:
        """End the subscription, and any sign-up under the same token; saying so twice changes nothing.

        The *goodbye* is kept together with the end, so that there is one where there was something to end, and no more.
        """
        with self._database.writing() as connection:
            connection.execute(schema.signups.delete().where(_u.token == token))
        start = (*ALIVE, SubscriberState.REMOVED)
        return self._move(token, start, SubscriberState.UNSUBSCRIBED, now, letter=goodbye)

    def come_back(self, token: str, now: datetime) -> Subscriber | None:
        """Undo leaving; the caller makes sure that it is the person who just left."""
        return self._move(token, (SubscriberState.UNSUBSCRIBED,), SubscriberState.ACTIVE, now)

    def erase(self, token: str) -> bool:
        """Delete a person and everything that hangs on them; True when there was one."""
        with self._database.writing() as connection:
            if self._database.dialect == "sqlite":  # overwritten, not only unlinked
                connection.exec_driver_sql("PRAGMA secure_delete=ON")
            for table in (schema.signups, schema.letters):
                connection.execute(table.delete().where(table.c.token == token))
            return connection.execute(schema.subscribers.delete().where(_s.token == token)).rowcount > 0

    def consents(self, subscriber_id: int) -> list[dict[str, Any]]:
        """What somebody agreed to, and when."""
        with self._database.reading() as connection:
            query = sa.select(schema.consents).where(schema.consents.c.subscriber_id == subscriber_id)
            return [dict(row) for row in connection.execute(query).mappings()]

    def _enter(self, connection: sa.Connection, token: str, profile: Profile, now: datetime) -> None:
        values = values_of(profile) | {
            "state": SubscriberState.ACTIVE.value,
            "origin": Origin.WEB.value,
            "confirmed_at": now,
            "paused_until": None,
            "next_due_at": now,  # the first digest comes at once, whatever the hour
        }
        row = self._row(connection, profile.email)
        if row:
            self._change(connection, row["id"], values)
        else:
            fixed = {"token": token, "email_key": key_of(profile.email), "created_at": now}
            connection.execute(schema.subscribers.insert().values(values | fixed))
        self._want(connection, [profile], now)

    def _move(
        self,
        token: str,
        start: tuple[SubscriberState, ...],
        state: SubscriberState,
        now: datetime,
        until: date | None = None,
        letter: Callable[[Subscriber], Letter] | None = None,
    ) -> Subscriber | None:
        with self._database.writing() as connection:
            row = self._by_token(connection, token)
            if row is None:
                return None
            if row["state"] in start:
                active = state == SubscriberState.ACTIVE
                due = next_due(profile_of(row).schedule, now, row["last_issue"]) if active else None
                self._set_state(connection, row["id"], state, due, until)
                row |= {"state": state, "next_due_at": due, "paused_until": until}
                if letter:
                    queue(connection, letter(subscriber_of(row)))
            return subscriber_of(row)

    def _by_token(self, connection: sa.Connection, token: str) -> dict[str, Any] | None:
        query = sa.select(schema.subscribers).where(_s.token == token).with_for_update()
        rows = rows_of(connection, query)
        return rows[0] if rows else None

    def _change(self, connection: sa.Connection, subscriber_id: int, values: Mapping[str, Any]) -> None:
        connection.execute(schema.subscribers.update().where(_s.id == subscriber_id).values(values))


_s, _u = schema.subscribers.c, schema.signups.c
