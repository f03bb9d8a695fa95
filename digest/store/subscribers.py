"""People: who they are, what they want, and when their next issue is due."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from digest.due import next_due
from digest.errors import UsageError
from digest.models import Origin, Paper, Profile, Subscriber, SubscriberState
from digest.store import codec, schema
from digest.store.calendar import advance
from digest.store.engine import Database
from digest.store.person import key_of, profile_of, rows_of, subscriber_of, values_of

TokenOf = Callable[[str], str]
"""Makes the opaque public id of a new subscriber from the normalised address."""


@dataclass(frozen=True, slots=True)
class Sync:
    """What synchronising a roster changed."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    """Still named by the roster, but they unsubscribed or want no mail at all: nothing is sent."""
    elsewhere: tuple[str, ...] = ()
    """Signed up on the web: the roster's entry is ignored."""


class Share(NamedTuple):
    """Those people whose number is *number* modulo *of*: what one process or job plans."""

    number: int
    of: int


EVERYBODY = Share(0, 1)


class Subscribers:
    """The subscribers of a database."""

    def __init__(self, database: Database, token_of: TokenOf) -> None:
        self._database = database
        self._token_of = token_of

    def sync(self, roster: Sequence[Profile], now: datetime) -> Sync:
        """Make the store agree with *roster*, in one transaction.

        The roster is the operator's word on the people it names; unsubscribing is the reader's, and stands.
        """
        wanted = {key_of(profile.email): profile for profile in roster}
        with self._database.writing(alone_in=schema.subscribers) as connection:
            named = set(wanted)
            known = {row["email_key"]: row for row in self._of_roster(connection, named)}
            new = [profile for key, profile in wanted.items() if key not in known]
            refused = self._suppressed(connection, new)
            added = [profile for profile in new if profile.email not in refused]
            elsewhere = [r["email"] for r in known.values() if r["origin"] == Origin.WEB]
            left = [
                r["email"]
                for r in known.values()
                if r["state"] == SubscriberState.UNSUBSCRIBED and r["email_key"] in named
            ]
            changed = [
                profile.email
                for key, profile in wanted.items()
                if key in known and self._update(connection, known[key], profile, now)
            ]
            gone = [
                row
                for key, row in known.items()
                if key not in wanted and row["origin"] == Origin.FILE and row["state"] != SubscriberState.REMOVED
            ]
            for row in gone:
                self._set_state(connection, row["id"], SubscriberState.REMOVED, None)
            self._insert(connection, added, Origin.FILE, now)
        return Sync(
            tuple(profile.email for profile in added),
            tuple(changed),
            tuple(row["email"] for row in gone),
            (*left, *refused),
            tuple(elsewhere),
        )

    def add(self, profile: Profile, now: datetime, origin: Origin = Origin.OPERATOR) -> bool:
        """Enter or change one person; True when they are new. See `add_all`."""
        return bool(self.add_all([profile], now, origin))

    def add_all(self, profiles: Sequence[Profile], now: datetime, origin: Origin = Origin.OPERATOR) -> int:
        """Enter or change these people, all or nobody; how many are new.

        Raises:
            UsageError: one unsubscribed, and only they can undo that; wants no mail at all; signed up on the web; or
                stands in the roster.
        """
        new = 0
        with self._database.writing(alone_in=schema.subscribers) as connection:
            for email in self._suppressed(connection, profiles):
                raise UsageError(f"{email} asked never to be written to")
            for profile in profiles:
                row = self._row(connection, profile.email)
                if row is None:
                    self._insert(connection, [profile], origin, now)
                    new += 1
                    continue
                _refuse_others(row)
                self._update(connection, row, profile, now, origin)
        return new

    def set_state(
        self, email: str, state: SubscriberState, now: datetime, until: date | None = None, *, by_reader: bool = False
    ) -> Subscriber:
        """Pause, resume, remove or unsubscribe one person.

        Args:
            email: whose.
            state: the new one.
            now: the moment.
            until: for PAUSED, the day on which the pause ends by itself.
            by_reader: it is their own wish, which alone undoes an unsubscription.

        Raises:
            UsageError: nobody has that address; or they unsubscribed, and only they can undo that.
        """
        with self._database.writing(alone_in=schema.subscribers) as connection:
            row = self._row(connection, email)
            if row is None:
                raise UsageError(f"nobody with the address {email!r}; `digest subscribers list` shows who there is")
            if row["state"] == SubscriberState.UNSUBSCRIBED and state != SubscriberState.UNSUBSCRIBED and not by_reader:
                raise _unsubscribed(email)
            schedule = profile_of(row).schedule
            due = next_due(schedule, now, row["last_issue"]) if state == SubscriberState.ACTIVE else None
            self._set_state(connection, row["id"], state, due, until)
            return subscriber_of(row | {"state": state, "next_due_at": due, "paused_until": until})

    def resume_paused(self, now: datetime) -> int:
        """Wake those whose pause is over; how many."""
        s = schema.subscribers.c
        over = sa.and_(s.state == SubscriberState.PAUSED.value, s.paused_until <= now.date())
        query = sa.select(schema.subscribers).where(over)
        with self._database.reading() as connection:
            if not rows_of(connection, query.limit(1)):  # the usual minute: no lock is taken for nothing
                return 0
        with self._database.writing(alone_in=schema.subscribers) as connection:
            rows = rows_of(connection, query)
            for row in rows:
                due = next_due(profile_of(row).schedule, now, row["last_issue"])
                self._set_state(connection, row["id"], SubscriberState.ACTIVE, due)
        return len(rows)

    def get(self, email: str) -> Subscriber | None:
        """The person with that address."""
        with self._database.reading() as connection:
            row = self._row(connection, email)
        return subscriber_of(row) if row else None

    def by_token(self, token: str) -> Subscriber | None:
        """The person behind a link."""
        with self._database.reading() as connection:
            query = sa.select(schema.subscribers).where(schema.subscribers.c.token == token)
            rows = rows_of(connection, query)
        return subscriber_of(rows[0]) if rows else None

    def by_ids(self, ids: Iterable[int]) -> dict[int, Subscriber]:
        """The people with these ids."""
        with self._database.reading() as connection:
            query = sa.select(schema.subscribers).where(schema.subscribers.c.id.in_(sorted(set(ids))))
            return {row["id"]: subscriber_of(row) for row in rows_of(connection, query)}

    def due(self, now: datetime, limit: int, share: Share = EVERYBODY) -> list[Subscriber]:
        """At most *limit* people of *share* whose issue is due, the longest waiting first."""
        s = schema.subscribers.c
        query = sa.select(schema.subscribers).where(s.next_due_at <= now).order_by(s.next_due_at, s.id).limit(limit)
        if share.of > 1:
            query = query.where(s.id % share.of == share.number)
        with self._database.reading() as connection:
            return [subscriber_of(row) for row in rows_of(connection, query)]

    def count_due(self, now: datetime) -> int:
        """How many people's issue is due."""
        with self._database.reading() as connection:
            query = sa.select(sa.func.count()).where(schema.subscribers.c.next_due_at <= now)
            return connection.scalar(query) or 0

    def postpone(self, due: Mapping[int, datetime]) -> None:
        """Set when the next issue is due, without an issue now; not of those who left meanwhile."""
        if due:
            with self._database.writing() as connection:
                advance(connection, due, {})

    def everyone(self, block: int = 1000) -> Iterator[Subscriber]:
        """All of them in the order of their ids, read in blocks."""
        last = 0
        while True:
            query = (
                sa.select(schema.subscribers)
                .where(schema.subscribers.c.id > last)
                .order_by(schema.subscribers.c.id)
                .limit(block)
            )
            with self._database.reading() as connection:
                rows = rows_of(connection, query)
            if not rows:
                return
            yield from map(subscriber_of, rows)
            last = rows[-1]["id"]

    def counts(self) -> dict[str, int]:
        """How many are in each state."""
        s = schema.subscribers.c
        with self._database.reading() as connection:
            rows = connection.execute(
                sa.select(s.state, sa.func.count().label("number")).group_by(s.state).order_by(s.state)
            )
            return {row.state: row.number for row in rows}

    def next_due_at(self) -> datetime | None:
        """When the next issue of anybody is due."""
        with self._database.reading() as connection:
            query = sa.select(sa.func.min(schema.subscribers.c.next_due_at))
            moment: datetime | None = connection.scalar(query)
            return moment

    def categories(self) -> tuple[str, ...]:
        """Every category that an active subscriber follows."""
        s = schema.subscribers.c
        active = sa.and_(s.next_due_at.is_not(None), sa.cast(s.interests, sa.Text).like('%"categories"%'))
        with self._database.reading() as connection:
            query = sa.select(s.interests).where(active)
            rows = connection.execute(query, execution_options={"yield_per": 1000}).scalars()
            return tuple(sorted({category for row in rows for category in row.get("categories", ())}))

    def _of_roster(self, connection: sa.Connection, keys: set[str]) -> list[dict[str, Any]]:
        """Everybody whom a roster brought, and everybody with one of these keys."""
        s = schema.subscribers.c
        query = sa.select(schema.subscribers)
        found = {row["email_key"]: row for row in rows_of(connection, query.where(s.origin == Origin.FILE.value))}
        rest = sorted(keys - set(found))
        for start in range(0, len(rest), 500):
            named = query.where(s.email_key.in_(rest[start : start + 500]))
            found |= {row["email_key"]: row for row in rows_of(connection, named)}
        return list(found.values())

    def _row(self, connection: sa.Connection, email: str) -> dict[str, Any] | None:
        query = sa.select(schema.subscribers).where(schema.subscribers.c.email_key == key_of(email))
        rows = rows_of(connection, query)
        return rows[0] if rows else None

    def _insert(self, connection: sa.Connection, profiles: Sequence[Profile], origin: Origin, now: datetime) -> None:
        rows = [
            {
                "token": self._token_of(key_of(profile.email)),
                "email_key": key_of(profile.email),
                "state": SubscriberState.ACTIVE.value,
                "origin": origin.value,
                "created_at": now,
                "confirmed_at": now,
                "next_due_at": next_due(profile.schedule, now),
                **values_of(profile),
            }
            for profile in profiles
        ]
        if rows:
            connection.execute(schema.subscribers.insert(), rows)
            self._want(connection, profiles, now)

    def _suppressed(self, connection: sa.Connection, profiles: Sequence[Profile]) -> list[str]:
        """The addresses among these that must never be written to."""
        emails = {self._token_of(key_of(profile.email)): profile.email for profile in profiles}
        tokens, found, s = list(emails), [], schema.suppressions.c
        for start in range(0, len(tokens), 500):
            query = sa.select(s.token).where(s.token.in_(tokens[start : start + 500]))
            found += [emails[token] for token in connection.scalars(query)]
        return found

    def _want(self, connection: sa.Connection, profiles: Sequence[Profile], now: datetime) -> None:
        """Have the papers looked up that these people like or dislike and that are not known."""
        named = {id_ for x in profiles for id_ in (*x.interests.liked, *x.interests.disliked)}
        rows = [
            {"id": id_, "first_seen": now, "look_up_at": now, "data": codec.papers.dump(Paper(id=id_, title=""))}
            for id_ in sorted(named)
        ]
        if rows:
            connection.execute(self._database.insert(schema.papers).on_conflict_do_nothing(), rows)

    def _update(
        self,
        connection: sa.Connection,
        row: Mapping[str, Any],
        profile: Profile,
        now: datetime,
        origin: Origin = Origin.FILE,
    ) -> bool:
        """Take over *profile* where the origin may; True when something changed."""
        if row["origin"] == Origin.WEB or row["state"] == SubscriberState.UNSUBSCRIBED:
            return False
        values: dict[str, Any] = values_of(profile) | {"origin": origin.value}
        back = row["state"] == SubscriberState.REMOVED
        if back:
            values["state"] = SubscriberState.ACTIVE.value
        if all(row[name] == value for name, value in values.items()):
            return False
        moved = any(row[name] != values[name] for name in ("zone", "at", "days"))
        if back or (moved and row["state"] == SubscriberState.ACTIVE):
            values["next_due_at"] = next_due(profile.schedule, now, row["last_issue"])
        connection.execute(schema.subscribers.update().where(schema.subscribers.c.id == row["id"]).values(values))
        self._want(connection, [profile], now)
        return True

    def _set_state(
        self,
        connection: sa.Connection,
        subscriber_id: int,
        state: SubscriberState,
        due: datetime | None,
        until: date | None = None,
    ) -> None:
        connection.execute(
            schema.subscribers.update()
            .where(schema.subscribers.c.id == subscriber_id)
            .values(state=state.value, next_due_at=due, paused_until=until)
        )


def _unsubscribed(email: str) -> UsageError:
    return UsageError(f"{email} unsubscribed; only they can subscribe again")


def _refuse_others(row: Mapping[str, Any]) -> None:
    """Raise where the operator's command may not change a person."""
    if row["state"] == SubscriberState.UNSUBSCRIBED:
        raise _unsubscribed(row["email"])
    if row["origin"] == Origin.WEB:
        raise UsageError(f"{row['email']} signed up on the web and decides there")
    if row["origin"] == Origin.FILE and row["state"] != SubscriberState.REMOVED:
        raise UsageError(f"{row['email']} stands in the roster; change the entry there")
