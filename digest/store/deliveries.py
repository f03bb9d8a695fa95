"""The outbox: at most one digest per subscriber and issue, and none forgotten.

Planning inserts a row under `UNIQUE (subscriber_id, issue)` and may be repeated. Sending is two-phase: a worker
*claims* a row with a lease, commits `in_data` before the first byte of the body, and marks the outcome. A claim whose
lease ran out is simply claimed again; an `in_data` row whose lease ran out becomes `unknown`: perhaps delivered. Every
mark is fenced by the owner of the claim, so that a worker that lost its lease changes nothing. Nor does it get back
what it lost: one of its connections may still have that in hand, and the fence knows owners, not connections.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, Literal

import sqlalchemy as sa

from digest.models import Delivery, DeliveryState, Digest, Paper, SubscriberState
from digest.store import codec, schema
from digest.store.calendar import advance
from digest.store.content import Contents, Memory
from digest.store.engine import Database, patient
from digest.store.marks import SUPPRESSED, mark
from digest.store.outbox import (
    LEASE,
    LIFE,
    Beginning,
    Claim,
    Lease,
    Outcome,
    claim_of,
    delivery_of,
    digest_of,
    planned,
)
from digest.store.together import among, insert

LOST = "lost by "
"""Before the owner of a claim that was taken away; the next claim overwrites it."""

RECEIVED = (
    DeliveryState.SENT,
    DeliveryState.IN_DATA,
    DeliveryState.UNKNOWN,
    DeliveryState.PLANNED,
    DeliveryState.CLAIMED,
    DeliveryState.DEFERRED,
)
"""Their papers count as seen by the reader; those of a digest that never left do not."""


EDITIONS = 4_000
"""Papers in memory, about 4 KB each."""

_CLAIMED = [
    schema.deliveries.c[name]
    for name in ("id", "subscriber_id", "issue", "planned_at", "attempts", "resends", "sha256", "content")
]
"""The columns of a claim."""


class Deliveries:
    """The deliveries of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._contents = Contents()
        self._papers: Memory[str, Paper] = Memory(EDITIONS)
        self._acquainted = False

    # -- planning

    def plan(self, digests: Sequence[Digest], due: Mapping[int, datetime]) -> int:
        """Record *digests*, and when each subscriber is due next; returns how many issues were new.

        A digest that is not worth mailing is recorded as EMPTY. An issue that exists stays as it is. Rows are written
        in the order of their keys, so that two planners wait for each other and never in a circle.
        """
        return len(self._plan(digests, due, None))

    @patient
    def plan_claimed(
        self, digests: Sequence[Digest], due: Mapping[int, datetime], now: datetime, owner: str
    ) -> list[Claim]:
        """The same for an *owner* that sends them itself: claims those that are new and to be mailed."""
        new = self._plan(digests, due, Lease(owner, now + LEASE))
        return [claim_of(id_, digest) for id_, digest in new if digest.worth_mailing]

    def _plan(
        self, digests: Sequence[Digest], due: Mapping[int, datetime], lease: Lease | None
    ) -> list[tuple[int, Digest]]:
        """Ids and digests of the issues that are new."""
        by_key = {(digest.subscriber.id, digest.issue): digest for digest in digests}
        with self._database.writing() as connection:
            numbers = self._freeze(connection, digests)
            rows = [planned(by_key[key], numbers, self._contents, lease) for key in sorted(by_key)]
            new = insert(connection, schema.deliveries, rows, ("id", "subscriber_id", "issue"))
            ids = {(row.subscriber_id, row.issue): row.id for row in new}
            if lease and len(ids) < len(rows):  # perhaps they were inserted before, and the database's answer was lost
                ids |= self._held(connection, by_key, lease)
            advance(connection, due, {digest.subscriber.id: digest.issue for digest in digests})
        if ids and not self._acquainted:
            self._database.acquaint(schema.deliveries, len(ids))
            self._acquainted = True
        return sorted((id_, by_key[key]) for key, id_ in ids.items())

    def _held(
        self, connection: sa.Connection, keys: Collection[tuple[int, date]], lease: Lease
    ) -> dict[tuple[int, date], int]:
        """Those of *keys* (subscriber and issue) that are claimed under this very *lease*, with their ids."""
        d = schema.deliveries.c
        claimed = sa.and_(d.state == DeliveryState.CLAIMED.value, d.owner == lease.owner, d.ready_at == lease.until)
        query = sa.select(d.id, d.subscriber_id, d.issue).where(
            among(connection, d.subscriber_id, [k[0] for k in keys])
        )
        found = {(row.subscriber_id, row.issue): row.id for row in connection.execute(query.where(claimed))}
        return {key: id_ for key, id_ in found.items() if key in keys}

    def _freeze(self, connection: sa.Connection, digests: Sequence[Digest]) -> dict[str, int]:
        """Keep the picked papers as they are now; returns paper id -> number."""
        picked = {id(pick.paper): pick.paper for digest in digests for pick in digest.picks}
        papers = {self._contents.edition(paper): paper for paper in picked.values()}
        p = schema.papers.c
        numbers: dict[str, int] = {}
        ids = sorted({paper.id for paper in papers.values()})
        for start in range(0, len(ids), 500):
            rows = connection.execute(sa.select(p.id, p.no).where(among(connection, p.id, ids[start : start + 500])))
            numbers |= {row.id: row.no for row in rows}
        values = [
            {"id": id_, "paper_no": numbers[paper.id], "data": codec.papers.dump_json(paper)}
            for id_, paper in sorted(papers.items())
        ]
        insert(connection, schema.editions, values)
        return numbers

    # -- sending

    @patient
    def claim(self, now: datetime, owner: str, limit: int, lease: timedelta = LEASE) -> list[Claim]:
        """Take at most *limit* deliveries that are ready, for as long as *lease*; the longest waiting first."""
        d = schema.deliveries.c
        ready = (
            sa.select(d.id)
            .where(d.ready_at <= now, d.state != DeliveryState.IN_DATA.value, d.owner.not_in([owner, LOST + owner]))
            .order_by(d.ready_at, d.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .cte("ready")
            .prefix_with("MATERIALIZED", dialect="postgresql")
        )
        take = (
            schema.deliveries.update()
            .where(d.id.in_(sa.select(ready.c.id)))
            .values(state=DeliveryState.CLAIMED.value, owner=owner, ready_at=now + lease, attempts=d.attempts + 1)
            .returning(*_CLAIMED)
        )
        with self._database.writing(forgettable=True) as connection:
            return sorted(self._claims(connection, connection.execute(take).all()), key=lambda claim: claim.id)

    def _claims(self, connection: sa.Connection, rows: Sequence[sa.Row[Any]]) -> list[Claim]:
        s = schema.subscribers.c
        columns = (s.id, s.token, s.state, s.origin, SUPPRESSED.label("suppressed"))
        query = sa.select(*columns).where(among(connection, s.id, [row.subscriber_id for row in rows]))
        people = {row.id: row for row in connection.execute(query).all()}
        found = partial(self._editions, connection)
        contents = self._contents.read([row.content for row in rows], found)
        return [
            Claim(
                id=row.id,
                digest=digest_of(row, content, person := people[row.subscriber_id]),
                allowed=person.state == SubscriberState.ACTIVE,
                suppressed=person.suppressed,
                attempts=row.attempts,
                resends=row.resends,
                sha256=row.sha256,
            )
            for row, content in zip(rows, contents, strict=True)
        ]

    def _editions(self, connection: sa.Connection, ids: Iterable[str]) -> Mapping[str, Paper]:
        """Papers by edition; what was read stays in memory, for an edition never changes and its readers are many."""
        e = schema.editions.c
        known = {id_: paper for id_ in ids if (paper := self._papers.get(id_))}
        missing = sorted(set(ids) - known.keys())
        for start in range(0, len(missing), 500):
            some = among(connection, e.id, missing[start : start + 500])
            rows = connection.execute(sa.select(e.id, e.data).where(some))
            for row in rows:
                self._papers[row.id] = known[row.id] = codec.papers.load_json(row.data)
        return known

    @patient
    def mark(self, beginnings: Sequence[Beginning], outcomes: Sequence[Outcome], owner: str) -> set[int]:
        """Commit, together, what many workers of one process have to say; the group makes durability cheap.

        Args:
            beginnings: bodies that are about to go out.
            outcomes: attempts that ended.
            owner: who claimed them; a claim that was lost meanwhile is left alone.

        Returns:
            Ids of those beginnings that may go on. Not among them: a claim that was lost, and a subscriber who left
            or paused since.
        """
        if not (beginnings or outcomes):
            return set()
        with self._database.stating() as connection:
            return mark(connection, beginnings, outcomes, owner)

    def recover(self, now: datetime, policy: Literal["resend", "hold"], *, alone: bool = False) -> int:
        """Turn bodies that nobody is sending any more into `unknown`, expire what is too old; returns the unknowns.

        Args:
            now: the moment.
            policy: "resend" makes an unknown ready for one more attempt within its life; "hold" leaves it.
            alone: a lock proves that no other worker lives, so that leases need not run out.
        """
        d = schema.deliveries.c
        orphaned = sa.true() if alone else d.ready_at <= now
        unknown = DeliveryState.UNKNOWN.value
        again = sa.and_(sa.literal(policy == "resend"), d.resends == 0)
        update = schema.deliveries.update()
        with self._database.writing() as connection:
            in_data = sa.and_(d.ready_at.is_not(None), d.state == DeliveryState.IN_DATA.value, orphaned)
            lost = connection.execute(
                update.where(in_data).values(
                    state=unknown,
                    ready_at=sa.case((again, sa.bindparam("b_now", now, schema.Moment)), else_=None),
                    resends=sa.case((again, 1), else_=d.resends),
                    owner="",
                )
            ).rowcount
            if alone:
                claimed = sa.and_(d.ready_at.is_not(None), d.state == DeliveryState.CLAIMED.value)
                connection.execute(update.where(claimed).values(state=DeliveryState.PLANNED.value, ready_at=now))
            old = sa.and_(d.ready_at <= now, d.expires_at <= now, d.state != DeliveryState.IN_DATA.value)
            # what was sent again had an unknown end before: too old, it is in doubt still, and not unsent
            state = sa.case((d.resends > 0, unknown), else_=DeliveryState.EXPIRED.value)
            connection.execute(update.where(old).values(state=state, ready_at=None))
        return lost

    def release(self, run: str, now: datetime) -> int:
        """Let others have at once what owners whose name ends in *run* had claimed; returns how many.

        They seem to be dead. If they live after all, the fence keeps them from what is no longer theirs. A body on its
        way keeps its lease: only time tells whether somebody is still sending it.
        """
        d = schema.deliveries.c
        claimed = sa.and_(d.ready_at.is_not(None), d.state == DeliveryState.CLAIMED.value)
        theirs = sa.and_(d.owner.endswith(run, autoescape=True), sa.not_(d.owner.startswith(LOST)))
        free = {"state": DeliveryState.PLANNED.value, "ready_at": now, "owner": sa.literal(LOST) + d.owner}
        with self._database.writing() as connection:
            return connection.execute(schema.deliveries.update().where(claimed, theirs).values(free)).rowcount

    def settle(self, ids: Sequence[int], state: DeliveryState, now: datetime) -> int:
        """The operator's word on deliveries: PLANNED sends again what ended badly; SENT and FAILED settle unknowns."""
        d = schema.deliveries.c
        ended = (DeliveryState.UNKNOWN, DeliveryState.FAILED, DeliveryState.EXPIRED, DeliveryState.CANCELLED)
        again = state == DeliveryState.PLANNED
        start = ended if again else ended[:1]
        values: dict[str, Any] = {"state": state.value, "ready_at": now if again else None, "reply": "by the operator"}
        if again:
            values["expires_at"] = now + LIFE
        where = sa.and_(d.id.in_(ids), d.state.in_([s.value for s in start]), d.content.is_not(None))
        with self._database.writing() as connection:
            return connection.execute(schema.deliveries.update().where(where).values(values)).rowcount

    # -- looking

    def seen(self, subscriber_ids: Iterable[int], since: date) -> dict[int, dict[str, date]]:
        """What each subscriber was sent in issues from *since* on: paper id -> the last issue that had it."""
        by_number: dict[int, dict[int, date]] = {i: {} for i in set(subscriber_ids)}
        with self._database.reading() as connection:
            for id_, issue, papers in self._received(connection, by_number, since):
                by_number[id_].update(dict.fromkeys(papers, issue))
            names = self._names(connection, {no for seen in by_number.values() for no in seen})
        return {i: {names[no]: day for no, day in seen.items() if no in names} for i, seen in by_number.items()}

    def twice(self, subscriber_ids: Iterable[int], since: date) -> dict[int, frozenset[str]]:
        """Ids of the papers that each subscriber was sent more than once, in issues from *since* on."""
        counted: dict[int, Counter[int]] = {i: Counter() for i in set(subscriber_ids)}
        with self._database.reading() as connection:
            for id_, _, papers in self._received(connection, counted, since):
                counted[id_].update(papers)
            again = {i: [no for no, times in count.items() if times > 1] for i, count in counted.items()}
            names = self._names(connection, {no for numbers in again.values() for no in numbers})
        return {i: frozenset(names[no] for no in numbers if no in names) for i, numbers in again.items()}

    def _received(
        self, connection: sa.Connection, subscriber_ids: Iterable[int], since: date
    ) -> Iterator[tuple[int, date, array[int]]]:
        """Subscriber, issue and paper numbers of what these subscribers got, the oldest issue first."""
        d = schema.deliveries.c
        received = d.state.in_([s.value for s in RECEIVED])
        theirs = among(connection, d.subscriber_id, subscriber_ids)
        query = sa.select(d.subscriber_id, d.issue, d.papers).where(theirs, d.issue >= since, received)
        for row in connection.execute(query.order_by(d.issue)):
            yield row.subscriber_id, row.issue, codec.unpack(row.papers)

    def _names(self, connection: sa.Connection, numbers: set[int]) -> dict[int, str]:
        """Paper number -> id."""
        p, ordered, names = schema.papers.c, sorted(numbers), dict[int, str]()
        for start in range(0, len(ordered), 500):
            rows = connection.execute(
                sa.select(p.no, p.id).where(among(connection, p.no, ordered[start : start + 500]))
            )
            names |= {row.no: row.id for row in rows}
        return names

    def chosen_at(self, subscriber_ids: Iterable[int]) -> dict[int, datetime]:
        """When the papers of each subscriber's last issue were chosen; not of those who had none."""
        d, s = schema.deliveries.c, schema.subscribers.c
        last = sa.and_(s.id == d.subscriber_id, s.last_issue == d.issue)
        query = sa.select(d.subscriber_id, d.planned_at).join(schema.subscribers, last)
        with self._database.reading() as connection:
            rows = connection.execute(query.where(among(connection, s.id, subscriber_ids)))
            return {row.subscriber_id: row.planned_at for row in rows}

    def quiet(self, subscriber_ids: Iterable[int], since: date) -> dict[int, date]:
        """For whom there was nothing, and from which issue on: the last with papers, or the first of all.

        Only issues from *since* on count. Who was told of it meanwhile, by a digest without papers, is left out.
        """
        d = schema.deliveries.c
        shown = sa.func.length(d.papers) > 0
        told = sa.and_(sa.not_(shown), d.state != DeliveryState.EMPTY.value)
        query = (
            sa.select(
                d.subscriber_id,
                sa.func.min(d.issue).label("first"),
                sa.func.max(sa.case((shown, d.issue))).label("shown"),
                sa.func.max(sa.case((told, d.issue))).label("told"),
            )
            .where(d.issue >= since)
            .group_by(d.subscriber_id)
        )
        with self._database.reading() as connection:
            rows = connection.execute(query.where(among(connection, d.subscriber_id, subscriber_ids))).all()
        return {r.subscriber_id: r.shown or r.first for r in rows if not r.told or (r.shown and r.told < r.shown)}

    def find(self, subscriber_id: int, issue: date) -> tuple[Delivery, Digest | None] | None:
        """One subscriber's delivery of one issue, with its digest while that is kept."""
        d = schema.deliveries.c
        query = sa.select(schema.deliveries).where(d.subscriber_id == subscriber_id, d.issue == issue)
        with self._database.reading() as connection:
            row = connection.execute(query).first()
            if row is None:
                return None
            claims = self._claims(connection, [row]) if row.content is not None else []
            return delivery_of(dict(row._mapping)), claims[0].digest if claims else None

    def counts(self, since: date | None = None) -> dict[str, int]:
        """How many are in each state, of all issues or of those from *since* on."""
        d = schema.deliveries.c
        query = sa.select(d.state, sa.func.count().label("number")).group_by(d.state).order_by(d.state)
        if since is not None:
            query = query.where(d.issue >= since)
        with self._database.reading() as connection:
            return {row.state: row.number for row in connection.execute(query)}

    def waiting(self, since: datetime) -> int:
        """How many were planned before *since* and did not leave yet."""
        d = schema.deliveries.c
        query = sa.select(sa.func.count()).where(d.ready_at.is_not(None), d.planned_at < since)
        with self._database.reading() as connection:
            return connection.scalar(query) or 0

    def oldest_ready(self) -> datetime | None:
        """Since when the longest waiting delivery could go out."""
        with self._database.reading() as connection:
            moment: datetime | None = connection.scalar(sa.select(sa.func.min(schema.deliveries.c.ready_at)))
            return moment

    def recent(self, limit: int, state: DeliveryState | None = None) -> list[tuple[Delivery, str]]:
        """The latest *limit* deliveries and their subscribers' addresses, newest first."""
        d, s = schema.deliveries.c, schema.subscribers.c
        query = (
            sa.select(schema.deliveries, s.email)
            .join(schema.subscribers, s.id == d.subscriber_id)
            .order_by(d.id.desc())
            .limit(limit)
        )
        if state is not None:
            query = query.where(d.state == state.value)
        with self._database.reading() as connection:
            return [(delivery_of(dict(row)), row["email"]) for row in connection.execute(query).mappings()]
