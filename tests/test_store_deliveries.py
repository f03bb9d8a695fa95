"""The outbox: at most one digest per issue, and none forgotten."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from multiprocessing import get_context
from threading import Barrier
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa

from digest.models import (
    Delivery,
    DeliveryState,
    Digest,
    Interests,
    Listing,
    Paper,
    Profile,
    Reason,
    ReasonKind,
    Section,
    Signal,
    SourceStatus,
    Subscriber,
    SubscriberState,
    Topic,
)
from digest.store import Beginning, Claim, Outcome, Store, open_store
from digest.store.outbox import LEASE, LIFE
from tests.make import NOON, a_digest, a_paper, a_pick, token_of

T = TypeVar("T")
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
TODAY = date(2026, 2, 4)
ME = "worker 1"


def people(store: Store, number: int) -> list[Subscriber]:
    store.subscribers.sync([Profile(f"p{n}@example.org") for n in range(number)], NOON)
    return list(store.subscribers.everyone())


def known(store: Store, paper: Paper) -> Paper:
    store.papers.add([Listing("arxiv", paper, NOON)], NOON)
    return paper


def planned(store: Store, number: int = 1, at: datetime = NOON, **given: Any) -> list[Digest]:
    """*number* people, each with a digest of today in the outbox."""
    pick = a_pick(known(store, a_paper()))
    digests = [a_digest(pick, subscriber=p, planned_at=at, **given) for p in people(store, number)]
    assert store.deliveries.plan(digests, {}) == number
    return digests


def the(store: Store, digest: Digest) -> Delivery:
    found = store.deliveries.find(digest.subscriber.id, digest.issue)
    assert found is not None
    return found[0]


def claimed(store: Store, now: datetime = NOON, owner: str = ME) -> Claim:
    [claim] = store.deliveries.claim(now, owner, 10)
    return claim


def in_data(store: Store, now: datetime = NOON, owner: str = ME) -> Claim:
    """The only delivery, with its body on the way."""
    claim = claimed(store, now, owner)
    beginning = Beginning(claim.id, "5ba93c9d", "<1@example.org>", now + LEASE)
    assert store.deliveries.mark([beginning], [], owner) == {claim.id}
    return claim


def at_once(work: Sequence[Callable[[], T]]) -> list[T]:
    barrier = Barrier(len(work))

    def start(one: Callable[[], T]) -> T:
        barrier.wait()
        return one()

    with ThreadPoolExecutor(len(work)) as threads:
        return list(threads.map(start, work))


# -- planning


def test_an_issue_is_planned_once(store: Store) -> None:
    [digest] = planned(store)
    other = replace(digest, picks=(a_pick(known(store, a_paper())),), planned_at=NOON + HOUR)
    assert store.deliveries.plan([other], {}) == 0
    assert claimed(store, NOON + HOUR).digest.picks == digest.picks
    assert store.deliveries.counts() == {"claimed": 1}


def test_planning_sets_who_is_due_when(store: Store) -> None:
    ada, bo, cy = people(store, 3)
    store.subscribers.set_state(cy.email, SubscriberState.UNSUBSCRIBED, NOON)
    due = {ada.id: NOON + DAY, bo.id: NOON + HOUR, cy.id: NOON + DAY}
    store.deliveries.plan([replace(a_digest(subscriber=ada), picks=())], due)
    found = store.subscribers.by_ids(due)
    assert (found[ada.id].next_due_at, found[ada.id].last_issue) == (NOON + DAY, TODAY)
    assert (found[bo.id].next_due_at, found[bo.id].last_issue) == (NOON + HOUR, None), "due again, without an issue"
    assert found[cy.id].next_due_at is None, "who left meanwhile is not woken"


def test_planning_nothing_is_nothing(store: Store) -> None:
    assert store.deliveries.plan([], {}) == 0


def test_an_issue_without_picks_is_done(store: Store) -> None:
    [ada] = people(store, 1)
    digest = replace(a_digest(subscriber=ada), picks=())
    assert store.deliveries.plan([digest], {}) == 1
    assert the(store, digest).state == DeliveryState.EMPTY
    assert store.deliveries.claim(NOON + DAY, ME, 10) == []


def test_two_planners_at_once_plan_every_issue_once(store: Store) -> None:
    """They share papers and people, and come to them in opposite orders."""
    readers = people(store, 200)
    papers = [a_paper() for _ in range(400)]
    store.papers.add([Listing("arxiv", paper, NOON) for paper in papers], NOON)
    digests = [a_digest(a_pick(papers[2 * n]), a_pick(papers[2 * n + 1]), subscriber=r) for n, r in enumerate(readers)]
    due = {reader.id: NOON + DAY for reader in readers}

    def plan(order: int) -> int:
        return store.deliveries.plan(digests[::order], dict(list(due.items())[::order]))

    assert sum(at_once([lambda: plan(1), lambda: plan(-1)])) == 200
    assert store.deliveries.counts() == {"planned": 200}


def test_a_digest_comes_out_as_it_went_in(store: Store) -> None:
    interests = Interests(
        topics=(Topic("naïve Bayes", 2.5),), authors=("Ada",), muted=("survey",), categories=("cs.CL",)
    )
    store.subscribers.sync([Profile("ada@example.org", "Ada", interests, papers=5, language="de")], NOON)
    [ada] = store.subscribers.everyone()
    reasons = (
        Reason(ReasonKind.TOPIC, "naïve Bayes", ("Bayes", "naïve"), 0.25),
        Reason(ReasonKind.TRENDING, upvotes=120, percentile=97.5, value=1 / 3),
        Reason(ReasonKind.SEEN, day=date(2026, 2, 1)),
    )
    paper = a_paper(
        title="Ω ≤ 𝔸 “quoted”", doi="10.1000/x", published=datetime(2026, 2, 3, 9, 8, 7, 654321, tzinfo=UTC)
    )
    digest = a_digest(
        a_pick(known(store, paper), score=0.1 + 0.2, reasons=reasons, signal=Signal(NOON, 120, 3, None)),
        a_pick(known(store, a_paper(authors=(), published=None)), section=Section.QUIETER, reasons=()),
        subscriber=Subscriber(ada.id, ada.token, ada.profile, ada.state, ada.origin),
        planned_at=NOON.replace(microsecond=123456),
        sources=(SourceStatus("arxiv", 0, "it is down", NOON - DAY), SourceStatus("huggingface", 33)),
        since=date(2026, 2, 1),
    )
    store.deliveries.plan([digest], {})
    claim = claimed(store, NOON + HOUR)
    assert claim.digest == digest
    assert (claim.allowed, claim.attempts, claim.resends, claim.sha256) == (True, 1, 0, "")


def test_a_planner_that_sends_has_claimed_what_it_planned(store: Store) -> None:
    """It goes on with what it has in memory, and whoever takes over after its death reads the same."""
    liked = known(store, a_paper())
    profile = Profile("ada@example.org", "Ada", Interests(topics=(Topic("owls"),), liked=(liked.id,)))
    store.subscribers.sync([profile, Profile("bo@example.org")], NOON)
    ada, bo = store.subscribers.everyone()
    digests = [
        a_digest(
            a_pick(known(store, a_paper()), score=1 / 3),
            subscriber=Subscriber(p.id, p.token, p.profile, p.state, p.origin),
        )
        for p in (ada, bo)
    ]
    quiet = replace(digests[1], picks=())
    due = {ada.id: NOON + DAY, bo.id: NOON + DAY}
    [claim] = store.deliveries.plan_claimed([digests[0], quiet], due, NOON, ME)
    assert (claim.allowed, claim.suppressed, claim.attempts, claim.resends, claim.sha256) == (True, False, 1, 0, "")
    assert store.deliveries.counts() == {"claimed": 1, "empty": 1}
    assert store.subscribers.by_ids(due)[ada.id].next_due_at == NOON + DAY
    assert store.deliveries.claim(NOON + LEASE - MINUTE, "worker 2", 10) == []
    again = claimed(store, NOON + LEASE, "worker 2")
    assert (again.id, again.attempts) == (claim.id, 2)
    assert again.digest == claim.digest
    assert store.deliveries.mark([Beginning(claim.id, "", "", NOON + HOUR)], [], ME) == set(), "it is another's now"


def test_two_planners_that_send_never_claim_the_same(store: Store) -> None:
    digests = [a_digest(a_pick(known(store, a_paper())), subscriber=reader) for reader in people(store, 100)]

    def plan(owner: str, order: int) -> list[int]:
        mine = store.deliveries.plan_claimed(digests[::order], {}, NOON, owner)
        return [claim.id for claim in mine]

    one, two = at_once([lambda: plan(ME, 1), lambda: plan("worker 2", -1)])
    assert len(one) + len(two) == len({*one, *two}) == 100


def test_what_was_planned_before_the_answer_was_lost_is_claimed_all_the_same(store: Store) -> None:
    """The same call once more, as after a connection that died in its commit; another claim gives nothing."""
    digests = [a_digest(a_pick(known(store, a_paper())), subscriber=reader) for reader in people(store, 3)]
    first = store.deliveries.plan_claimed(digests[:2], {}, NOON, ME)
    assert len(first) == 2
    assert store.deliveries.plan_claimed(digests[:2], {}, NOON, ME) == first
    assert len(store.deliveries.plan_claimed(digests, {}, NOON, ME)) == 3
    assert store.deliveries.plan_claimed(digests, {}, NOON + MINUTE, ME) == []
    assert store.deliveries.plan_claimed(digests, {}, NOON, "worker 2") == []


@pytest.mark.pg
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_planner_waits_for_a_database_that_goes_away(store: Store) -> None:
    """Its line is cut when the digests are written but not committed."""
    digests = [a_digest(a_pick(known(store, a_paper())), subscriber=reader) for reader in people(store, 3)]
    engine = store.deliveries._database.engine
    cuts: list[bool] = []

    def cut(connection: sa.Connection, _cursor: Any, statement: str, *_: Any) -> None:
        if "INTO deliveries" in statement and not cuts:
            pid = connection.connection.driver_connection.info.backend_pid  # type: ignore[union-attr]
            with engine.connect() as other:
                cuts.append(other.scalar(sa.text(f"SELECT pg_terminate_backend({pid})")))

    sa.event.listen(engine, "after_cursor_execute", cut)
    claims = store.deliveries.plan_claimed(digests, {}, NOON, ME)
    assert cuts == [True]
    assert len(claims) == 3
    assert store.deliveries.counts() == {"claimed": 3}


@pytest.mark.pg
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_postgresql_knows_the_outbox_after_the_first_block(store: Store) -> None:
    """Else it reads all of it for each block of readers, until its own look a minute later."""
    planned(store, 600)
    with store.deliveries._database.reading() as connection:
        assert connection.scalar(sa.text("SELECT reltuples FROM pg_class WHERE relname = 'deliveries'")) == 600


def test_a_digest_is_frozen_at_planning(store: Store) -> None:
    """What became of the paper and the person since does not change the bytes of a retry."""
    [digest] = planned(store)
    paper = digest.picks[0].paper
    store.papers.add([Listing("huggingface", replace(paper, abstract=paper.abstract * 3), NOON)], NOON)
    store.subscribers.sync([Profile("p0@example.org", "New Name")], NOON)
    assert claimed(store).digest.picks == digest.picks
    assert the(store, digest).planned_at == NOON


def test_lists_of_liked_papers_are_not_copied_into_every_digest(store: Store) -> None:
    liking = Interests(liked=("1706.03762",), disliked=("2602.00001",), authors=("Ada",))
    store.subscribers.sync([Profile("ada@example.org", interests=liking)], NOON)
    [ada] = store.subscribers.everyone()
    store.deliveries.plan([a_digest(a_pick(known(store, a_paper())), subscriber=ada)], {})
    assert claimed(store).digest.subscriber.interests == Interests(authors=("Ada",))


# -- claiming


def test_a_claim_is_a_lease(store: Store) -> None:
    [digest] = planned(store)
    first = claimed(store)
    delivery = the(store, digest)
    assert (delivery.state, delivery.ready_at, delivery.attempts) == (DeliveryState.CLAIMED, NOON + LEASE, 1)
    assert store.deliveries.claim(NOON + LEASE - MINUTE, "worker 2", 10) == []
    second = claimed(store, NOON + LEASE, "worker 2")
    assert (second.id, second.attempts) == (first.id, 2)


def test_nothing_is_claimed_before_its_time(store: Store) -> None:
    planned(store, at=NOON + HOUR)
    assert store.deliveries.oldest_ready() == NOON + HOUR
    assert store.deliveries.claim(NOON + HOUR - MINUTE, ME, 10) == []
    assert len(store.deliveries.claim(NOON + HOUR, ME, 10)) == 1


def test_the_longest_waiting_are_claimed_first(store: Store) -> None:
    digests = planned(store, 5)
    late = [replace(d, issue=TODAY - DAY, planned_at=NOON - DAY) for d in digests[3:]]
    store.deliveries.plan(late, {})
    first = store.deliveries.claim(NOON, ME, 3)
    assert {(c.digest.subscriber.id, c.digest.issue) for c in first} == {
        (late[0].subscriber.id, TODAY - DAY),
        (late[1].subscriber.id, TODAY - DAY),
        (digests[0].subscriber.id, TODAY),
    }


def test_no_two_workers_claim_the_same(store: Store) -> None:
    planned(store, 120)

    def work(owner: str) -> list[int]:
        mine: list[int] = []
        while claims := store.deliveries.claim(NOON, owner, 7):
            mine += [claim.id for claim in claims]
        return mine

    hands = at_once([partial(work, f"worker {n}") for n in range(4)])
    ids = [i for hand in hands for i in hand]
    assert len(ids) == len(set(ids)) == 120


def claim_all(url: str, owner: str) -> list[int]:
    with closing(open_store(url, token_of)) as store:
        mine: list[int] = []
        while claims := store.deliveries.claim(NOON, owner, 3):
            mine += [claim.id for claim in claims]
        return mine


def test_no_two_processes_claim_the_same(store: Store, database_url: str) -> None:
    planned(store, 60)
    with ProcessPoolExecutor(2, get_context("spawn")) as processes:
        hands = processes.map(claim_all, [database_url] * 2, ["process 1", "process 2"])
    ids = [i for hand in hands for i in hand]
    assert len(ids) == len(set(ids)) == 60


def test_the_index_answers_what_is_ready(store: Store) -> None:
    planned(store, 300)
    statements: list[tuple[str, Any]] = []

    @sa.event.listens_for(store.database.engine, "before_cursor_execute")
    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        statements.append((statement, parameters))

    assert store.deliveries.claim(NOON - DAY, ME, 10) == []
    sa.event.remove(store.database.engine, "before_cursor_execute", note)
    explain = "EXPLAIN QUERY PLAN " if store.database.dialect == "sqlite" else "EXPLAIN "
    [query] = [(text, given) for text, given in statements if "UPDATE deliveries" in text]
    with store.database.writing() as connection:
        connection.exec_driver_sql("ANALYZE deliveries")
        plan = "\n".join(str(tuple(row)) for row in connection.exec_driver_sql(explain + query[0], query[1]))
    assert "ix_deliveries_ready" in plan
    assert "SCAN deliveries" not in plan
    assert "Seq Scan" not in plan


# -- sending


def test_a_body_goes_out_once_its_beginning_is_committed(store: Store) -> None:
    [digest] = planned(store)
    claim = in_data(store)
    delivery = the(store, digest)
    assert (delivery.state, delivery.sha256, delivery.message_id) == (
        DeliveryState.IN_DATA,
        "5ba93c9d",
        "<1@example.org>",
    )
    store.deliveries.mark([], [Outcome(claim.id, DeliveryState.SENT, NOON + MINUTE, "250 ok")], ME)
    delivery = the(store, digest)
    assert (delivery.state, delivery.sent_at, delivery.reply) == (DeliveryState.SENT, NOON + MINUTE, "250 ok")
    assert delivery.ready_at is None
    assert store.deliveries.oldest_ready() is None


def test_a_beginning_whose_answer_was_lost_is_made_once_more(store: Store) -> None:
    planned(store)
    beginning = Beginning(claimed(store).id, "", "", NOON + HOUR)
    assert store.deliveries.mark([beginning], [], ME) == {beginning.id}
    assert store.deliveries.mark([beginning], [], ME) == {beginning.id}
    assert store.deliveries.mark([beginning], [], "worker 2") == set()


def test_another_workers_claim_is_not_begun(store: Store) -> None:
    planned(store)
    claim = claimed(store)
    assert store.deliveries.mark([Beginning(claim.id, "", "", NOON + HOUR)], [], "worker 2") == set()
    claimed(store, NOON + LEASE, "worker 2")
    assert store.deliveries.mark([Beginning(claim.id, "", "", NOON + HOUR)], [], ME) == set(), "the lease ran out"


@pytest.mark.parametrize("state", [SubscriberState.UNSUBSCRIBED, SubscriberState.PAUSED, SubscriberState.REMOVED])
def test_who_left_at_the_last_moment_gets_nothing(store: Store, state: SubscriberState) -> None:
    stays, leaves = planned(store, 2)
    claims = store.deliveries.claim(NOON, ME, 10)
    assert all(claim.allowed for claim in claims)
    store.subscribers.set_state(leaves.subscriber.email, state, NOON)
    began = store.deliveries.mark([Beginning(claim.id, "", "", NOON + HOUR) for claim in claims], [], ME)
    assert began == {the(store, stays).id}
    assert the(store, leaves).state == DeliveryState.CLAIMED


def test_a_claim_says_who_left_since_planning(store: Store) -> None:
    [digest] = planned(store)
    store.subscribers.set_state(digest.subscriber.email, SubscriberState.UNSUBSCRIBED, NOON)
    claim = claimed(store)
    assert not claim.allowed
    store.deliveries.mark([], [Outcome(claim.id, DeliveryState.CANCELLED, NOON, "unsubscribed")], ME)
    assert the(store, digest).state == DeliveryState.CANCELLED
    assert store.deliveries.claim(NOON + DAY, ME, 10) == []


def test_a_worker_that_lost_its_lease_marks_nothing(store: Store) -> None:
    [digest] = planned(store)
    claim = claimed(store)
    claimed(store, NOON + LEASE, "worker 2")
    store.deliveries.mark([], [Outcome(claim.id, DeliveryState.SENT, NOON)], ME)
    assert the(store, digest).state == DeliveryState.CLAIMED


def test_what_somebody_lost_only_others_get(store: Store) -> None:
    """Another connection of the same owner may still be about to begin it, and could not be told from this one."""
    planned(store)
    claimed(store)
    assert store.deliveries.claim(NOON + LEASE, ME, 10) == []
    claimed(store, NOON + LEASE, "worker 2")


def test_the_claims_of_who_seems_dead_come_free_at_once(store: Store) -> None:
    [first, second, third] = planned(store, 3)
    sending = store.deliveries.claim(NOON, "host:1 job 12.0", 1)[0]
    store.deliveries.mark([Beginning(sending.id, "", "", NOON + HOUR)], [], "host:1 job 12.0")
    [waiting] = store.deliveries.claim(NOON, "host:1 job 12.0", 1)
    [other] = store.deliveries.claim(NOON, "host:2 job 112.0", 1)
    assert store.deliveries.release(" job 12.0", NOON) == 1
    assert store.deliveries.claim(NOON, "host:1 job 12.0", 10) == [], "it lives after all"
    assert [claim.id for claim in store.deliveries.claim(NOON, "host:3 job 12.1", 10)] == [waiting.id]
    assert the(store, first).state == DeliveryState.IN_DATA, "only time tells whether somebody still sends it"
    assert {sending.id, waiting.id, other.id} == {the(store, d).id for d in (first, second, third)}


def test_who_was_taken_for_dead_marks_nothing(store: Store) -> None:
    [digest] = planned(store)
    claim = claimed(store)
    store.deliveries.release(ME, NOON)
    assert store.deliveries.mark([Beginning(claim.id, "", "", NOON + HOUR)], [], ME) == set()
    store.deliveries.mark([], [Outcome(claim.id, DeliveryState.CANCELLED, NOON, "taken over")], ME)
    assert the(store, digest).state == DeliveryState.PLANNED
    assert claimed(store, NOON, "worker 2").id == claim.id


def test_a_deferred_delivery_is_tried_again_with_the_same_bytes(store: Store) -> None:
    [digest] = planned(store)
    claim = in_data(store)
    later = Outcome(claim.id, DeliveryState.DEFERRED, NOON, "451 4.7.1 greylisted", ready_at=NOON + HOUR)
    store.deliveries.mark([], [later], ME)
    assert (the(store, digest).state, the(store, digest).sent_at) == (DeliveryState.DEFERRED, None)
    assert store.deliveries.claim(NOON + HOUR - MINUTE, ME, 10) == []
    again = claimed(store, NOON + HOUR)
    assert (again.sha256, again.attempts, again.resends) == ("5ba93c9d", 2, 0)
    assert replace(again.digest, subscriber=digest.subscriber) == digest


def test_a_long_reply_is_cut(store: Store) -> None:
    [digest] = planned(store)
    store.deliveries.mark([], [Outcome(claimed(store).id, DeliveryState.FAILED, NOON, "x" * 5000)], ME)
    assert the(store, digest).reply == "x" * 500


def test_marking_nothing_is_nothing(store: Store) -> None:
    assert store.deliveries.mark([], [], ME) == set()
    store.deliveries.mark([], [], ME)


# -- after a crash


def test_a_body_that_nobody_is_sending_any_more_is_sent_once_more(store: Store) -> None:
    [digest] = planned(store)
    in_data(store)
    assert store.deliveries.claim(NOON + HOUR, "worker 2", 10) == [], "never simply claimed again"
    assert store.deliveries.recover(NOON + LEASE - MINUTE, "resend") == 0, "it may still be on the way"
    assert store.deliveries.recover(NOON + LEASE, "resend") == 1
    assert (the(store, digest).state, the(store, digest).ready_at) == (DeliveryState.UNKNOWN, NOON + LEASE)
    again = in_data(store, NOON + LEASE, "worker 2")
    assert (again.resends, again.sha256) == (1, "5ba93c9d")
    assert store.deliveries.recover(NOON + HOUR, "resend") == 1
    assert (the(store, digest).state, the(store, digest).ready_at) == (DeliveryState.UNKNOWN, None), "and no third time"
    assert store.deliveries.recover(NOON + DAY, "resend") == 0
    assert store.deliveries.claim(NOON + DAY, ME, 10) == []


def test_an_unknown_end_is_left_where_the_operator_holds(store: Store) -> None:
    [digest] = planned(store)
    in_data(store)
    assert store.deliveries.recover(NOON + LEASE, "hold") == 1
    assert (the(store, digest).state, the(store, digest).ready_at) == (DeliveryState.UNKNOWN, None)
    assert store.deliveries.claim(NOON + DAY, ME, 10) == []


def test_an_answer_after_recovery_changes_nothing(store: Store) -> None:
    """The worker was only slow; what it says now must not hide that the state was in doubt."""
    [digest] = planned(store)
    claim = in_data(store)
    store.deliveries.recover(NOON + LEASE, "hold")
    store.deliveries.mark([], [Outcome(claim.id, DeliveryState.SENT, NOON + HOUR)], ME)
    assert the(store, digest).state == DeliveryState.UNKNOWN


def test_a_lost_answer_is_unknown_too(store: Store) -> None:
    [digest] = planned(store)
    claim = in_data(store)
    unknown = Outcome(claim.id, DeliveryState.UNKNOWN, NOON, "connection lost after the body", ready_at=NOON + MINUTE)
    store.deliveries.mark([], [unknown], ME)
    assert the(store, digest).state == DeliveryState.UNKNOWN
    assert claimed(store, NOON + MINUTE).resends == 1


def test_who_is_alone_need_not_wait_for_leases(store: Store) -> None:
    """One process holds the lock: whatever others had, they are dead."""
    body, claim, waiting = planned(store, 3)
    first, second = store.deliveries.claim(NOON, "the dead", 2)
    store.deliveries.mark([Beginning(first.id, "", "", NOON + LEASE)], [], "the dead")
    assert store.deliveries.recover(NOON + MINUTE, "resend", alone=True) == 1
    states = [the(store, d).state for d in (body, claim, waiting)]
    assert states == [DeliveryState.UNKNOWN, DeliveryState.PLANNED, DeliveryState.PLANNED]
    assert len(store.deliveries.claim(NOON + MINUTE, ME, 10)) == 3
    store.deliveries.mark([], [Outcome(second.id, DeliveryState.SENT, NOON)], "the dead")
    assert the(store, claim).state == DeliveryState.CLAIMED


def test_what_is_too_old_is_not_sent_late(store: Store) -> None:
    old, new = planned(store, 2)
    [claim] = store.deliveries.claim(NOON, ME, 1)
    later = Outcome(claim.id, DeliveryState.DEFERRED, NOON, "451", ready_at=NOON + HOUR)
    store.deliveries.mark([], [later], ME)
    store.deliveries.plan([replace(new, issue=TODAY + DAY, planned_at=NOON + LIFE)], {})
    assert store.deliveries.recover(NOON + LIFE - MINUTE, "resend") == 0
    assert store.deliveries.counts() == {"deferred": 1, "planned": 2}
    store.deliveries.recover(NOON + LIFE, "resend")
    assert store.deliveries.counts() == {"expired": 2, "planned": 1}
    assert (the(store, old).state, the(store, old).ready_at) == (DeliveryState.EXPIRED, None)
    assert [c.digest.issue for c in store.deliveries.claim(NOON + LIFE, ME, 10)] == [TODAY + DAY]


def test_an_unknown_end_that_is_too_old_stays_unknown(store: Store) -> None:
    [digest] = planned(store)
    in_data(store)
    assert store.deliveries.recover(NOON + LIFE, "resend") == 1
    assert (the(store, digest).state, the(store, digest).ready_at) == (DeliveryState.UNKNOWN, None)


def test_a_second_attempt_at_an_unknown_end_that_grows_too_old_stays_unknown(store: Store) -> None:
    """The first attempt may have arrived, so that its papers count as seen and the operator is told."""
    [digest] = planned(store)
    in_data(store)
    store.deliveries.recover(NOON + LEASE, "resend")
    again = claimed(store, NOON + LEASE)
    later = Outcome(again.id, DeliveryState.DEFERRED, NOON + LEASE, "451", ready_at=NOON + HOUR)
    store.deliveries.mark([], [later], ME)
    store.deliveries.recover(NOON + LIFE, "resend")
    assert (the(store, digest).state, the(store, digest).ready_at) == (DeliveryState.UNKNOWN, None)


# -- looking


def test_what_a_reader_saw(store: Store) -> None:
    ada, bo = people(store, 2)
    both, once, failed, before = (known(store, a_paper()) for _ in range(4))

    def send(day: int, state: DeliveryState, *papers: Paper) -> None:
        picks = [a_pick(paper) for paper in papers]
        at = datetime(2026, 2, day, 12, tzinfo=UTC)
        store.deliveries.plan([a_digest(*picks, subscriber=ada, issue=at.date(), planned_at=at)], {})
        [claim] = store.deliveries.claim(at, ME, 10)
        store.deliveries.mark([], [Outcome(claim.id, state, at)], ME)

    send(1, DeliveryState.SENT, before)
    send(2, DeliveryState.SENT, both, once)
    send(3, DeliveryState.UNKNOWN, both)
    send(4, DeliveryState.FAILED, failed)
    send(5, DeliveryState.EXPIRED, failed)
    send(6, DeliveryState.CANCELLED, failed)
    send(7, DeliveryState.SUPPRESSED, failed)
    assert store.deliveries.seen([ada.id, bo.id], date(2026, 2, 2)) == {
        ada.id: {both.id: date(2026, 2, 3), once.id: date(2026, 2, 2)},
        bo.id: {},
    }
    assert store.deliveries.seen([], date(2026, 2, 2)) == {}
    assert store.deliveries.twice([ada.id, bo.id], date(2026, 2, 2)) == {ada.id: {both.id}, bo.id: frozenset()}
    assert store.deliveries.twice([ada.id], date(2026, 2, 3)) == {ada.id: frozenset()}


def test_when_the_last_issue_was_chosen(store: Store) -> None:
    ada, bo = people(store, 2)
    for day in (2, 3):
        at = datetime(2026, 2, day, 12, day, tzinfo=UTC)
        digest = Digest(ada, at.date(), at, picks=())
        store.deliveries.plan([digest], {ada.id: at + timedelta(days=1)})
    assert store.deliveries.chosen_at([ada.id, bo.id]) == {ada.id: at}, "also of one that was empty"


def test_what_is_on_its_way_counts_as_seen(store: Store) -> None:
    [digest] = planned(store)
    seen = {digest.subscriber.id: {digest.picks[0].paper.id: TODAY}}
    assert store.deliveries.seen(seen, TODAY) == seen
    in_data(store)
    assert store.deliveries.seen(seen, TODAY) == seen


def test_a_delivery_is_found_with_its_digest(store: Store) -> None:
    [digest] = planned(store)
    found = store.deliveries.find(digest.subscriber.id, TODAY)
    assert found is not None
    delivery, content = found
    assert content is not None
    assert content.picks == digest.picks
    assert delivery == Delivery(
        delivery.id, digest.subscriber.id, TODAY, DeliveryState.PLANNED, planned_at=NOON, ready_at=NOON
    )
    assert store.deliveries.find(digest.subscriber.id, TODAY + DAY) is None


def test_deliveries_are_counted_by_state(store: Store) -> None:
    planned(store, 3)
    store.deliveries.claim(NOON, ME, 1)
    assert store.deliveries.counts() == {"claimed": 1, "planned": 2}
    assert store.deliveries.counts(TODAY) == {"claimed": 1, "planned": 2}
    assert store.deliveries.counts(TODAY + DAY) == {}


def test_the_latest_deliveries_come_first(store: Store) -> None:
    first, second, third = planned(store, 3)
    store.deliveries.claim(NOON, ME, 1)
    recent = store.deliveries.recent(2)
    assert [email for _, email in recent] == [third.subscriber.email, second.subscriber.email]
    [(delivery, email)] = store.deliveries.recent(10, DeliveryState.CLAIMED)
    assert (delivery, email) == (the(store, first), first.subscriber.email)
