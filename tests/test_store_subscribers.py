"""People: the roster is the operator's, unsubscribing is the reader's, and an index knows who is due."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from digest.due import next_due
from digest.errors import UsageError
from digest.models import WEEKDAYS, Interests, Origin, Profile, Schedule, Subscriber, SubscriberState, Topic
from digest.store import Store, Sync, address
from tests.make import NOON, a_digest, interests

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
ADA = Profile("ada@example.org", name="Ada", interests=interests("attention", categories=("cs.CL",)))
BO = Profile("bo@example.org")


def someone(store: Store, email: str = ADA.email) -> Subscriber:
    found = store.subscribers.get(email)
    assert found is not None
    return found


def issue(store: Store, person: Subscriber, day: date, due_next: datetime) -> None:
    """*person* got the issue of *day*."""
    empty = replace(a_digest(subscriber=person, issue=day), picks=())
    assert store.deliveries.plan([empty], {person.id: due_next}) == 1


# -- the roster


def test_a_roster_brings_people(store: Store) -> None:
    rich = Profile(
        "grace@example.org",
        name="Grace",
        interests=Interests(
            topics=(Topic("compilers", 2.5), Topic("naïve Bayes")),
            authors=("A. Turing",),
            categories=("cs.PL",),
            liked=("1706.03762",),
            disliked=("10.1000/x",),
            muted=("survey",),
            muted_authors=("B. Bore",),
        ),
        schedule=Schedule("Pacific/Apia", time(6, 5), frozenset({0, 3})),
        papers=7,
        language="de",
    )
    assert store.subscribers.sync([ADA, rich], NOON) == Sync(added=(ADA.email, rich.email))
    grace = someone(store, "GRACE@example.org")
    assert grace.profile == rich
    assert grace.token == "token-of-grace@example.org"
    assert (grace.state, grace.origin) == (SubscriberState.ACTIVE, Origin.FILE)
    assert grace.next_due_at == next_due(rich.schedule, NOON)
    assert (grace.last_issue, grace.paused_until) == (None, None)
    assert store.subscribers.by_token(grace.token) == grace
    assert store.subscribers.by_ids([grace.id, 999]) == {grace.id: grace}


def test_the_same_roster_again_changes_nothing(store: Store) -> None:
    store.subscribers.sync([ADA, BO], NOON)
    before = list(store.subscribers.everyone())
    assert store.subscribers.sync([ADA, BO], NOON + 3 * DAY) == Sync()
    assert list(store.subscribers.everyone()) == before


def test_a_changed_entry_changes_the_person_and_not_when_they_are_due(store: Store) -> None:
    store.subscribers.sync([ADA, BO], NOON)
    before = someone(store)
    wiser = replace(ADA, papers=3, interests=interests("causality"))
    assert store.subscribers.sync([wiser, BO], NOON + HOUR) == Sync(changed=(ADA.email,))
    assert someone(store) == replace(before, profile=wiser)


def test_who_is_taken_out_of_the_roster_is_removed_and_may_come_back(store: Store) -> None:
    store.subscribers.sync([ADA, BO], NOON)
    token = someone(store).token
    assert store.subscribers.sync([BO], NOON) == Sync(removed=(ADA.email,))
    assert (someone(store).state, someone(store).next_due_at) == (SubscriberState.REMOVED, None)
    assert store.subscribers.sync([BO], NOON) == Sync(), "only once"
    assert store.subscribers.sync([ADA, BO], NOON + DAY) == Sync(changed=(ADA.email,))
    back = someone(store)
    assert (back.state, back.token) == (SubscriberState.ACTIVE, token)
    assert back.next_due_at == next_due(ADA.schedule, NOON + DAY)


def test_who_comes_back_on_the_day_of_an_issue_waits_for_the_next_day(store: Store) -> None:
    store.subscribers.sync([ADA], NOON)
    issue(store, someone(store), NOON.date(), NOON + DAY)
    store.subscribers.sync([], NOON + HOUR)
    store.subscribers.sync([ADA], NOON + 2 * HOUR)
    assert someone(store).next_due_at == datetime(2026, 2, 5, 7, tzinfo=UTC)


def test_unsubscribing_stands_against_the_roster(store: Store) -> None:
    store.subscribers.sync([ADA, BO], NOON)
    store.subscribers.set_state(ADA.email, SubscriberState.UNSUBSCRIBED, NOON)
    assert store.subscribers.sync([replace(ADA, papers=3), BO], NOON) == Sync(left=(ADA.email,))
    assert someone(store).profile == ADA
    assert someone(store).state == SubscriberState.UNSUBSCRIBED
    assert store.subscribers.due(NOON + 30 * DAY, 10) == [someone(store, BO.email)]


def test_a_web_sign_up_is_not_touched_by_the_roster(store: Store) -> None:
    store.subscribers.add(ADA, NOON, Origin.WEB)
    before = someone(store)
    assert store.subscribers.sync([replace(ADA, papers=3)], NOON) == Sync(elsewhere=(ADA.email,))
    assert store.subscribers.sync([], NOON) == Sync()
    assert someone(store) == before


def test_a_person_whom_the_operator_entered_passes_to_the_roster(store: Store) -> None:
    store.subscribers.add(ADA, NOON)
    assert store.subscribers.sync([], NOON) == Sync(), "the roster never named her"
    assert store.subscribers.sync([ADA], NOON) == Sync(changed=(ADA.email,))
    assert store.subscribers.sync([], NOON) == Sync(removed=(ADA.email,))


def test_a_pause_outlives_a_change_in_the_roster(store: Store) -> None:
    store.subscribers.sync([ADA], NOON)
    store.subscribers.set_state(ADA.email, SubscriberState.PAUSED, NOON)
    later = replace(ADA, schedule=Schedule(at=time(9)))
    assert store.subscribers.sync([later], NOON) == Sync(changed=(ADA.email,))
    assert (someone(store).state, someone(store).next_due_at) == (SubscriberState.PAUSED, None)
    assert someone(store).schedule.at == time(9)


def test_another_spelling_of_the_address_is_the_same_person(store: Store) -> None:
    store.subscribers.sync([Profile("Ada.Lovelace@example.org")], NOON)
    changes = store.subscribers.sync([Profile("ada.lovelace@example.org")], NOON)
    assert changes == Sync(changed=("ada.lovelace@example.org",))
    assert store.subscribers.counts() == {"active": 1}


@pytest.mark.parametrize(
    ("schedule", "due"),
    [
        (Schedule(at=time(18)), datetime(2026, 2, 4, 18, tzinfo=UTC)),
        (Schedule(at=time(6)), datetime(2026, 2, 4, 6, tzinfo=UTC)),
        (Schedule("Asia/Tokyo", time(21, 30)), datetime(2026, 2, 4, 12, 30, tzinfo=UTC)),
        (Schedule(days=frozenset({4})), datetime(2026, 2, 6, 7, tzinfo=UTC)),
    ],
)
def test_a_new_schedule_sets_when_the_next_issue_is_due(store: Store, schedule: Schedule, due: datetime) -> None:
    store.subscribers.sync([ADA], NOON)
    store.subscribers.sync([replace(ADA, schedule=schedule)], NOON)
    assert someone(store).next_due_at == due


@pytest.mark.parametrize(
    ("zone", "at"),
    [("UTC", time(6)), ("UTC", time(13)), ("Pacific/Apia", time(23, 59)), ("America/Los_Angeles", time(0))],
)
def test_a_new_schedule_never_gives_a_second_issue_on_a_local_day(store: Store, zone: str, at: time) -> None:
    store.subscribers.sync([ADA], NOON)
    issue(store, someone(store), NOON.date(), NOON + DAY)
    store.subscribers.sync([replace(ADA, schedule=Schedule(zone, at))], NOON)
    due = someone(store).next_due_at
    assert due is not None
    assert due.astimezone(ZoneInfo(zone)).date() == NOON.date() + DAY


def test_two_programs_may_synchronise_at_once(store: Store) -> None:
    roster = [Profile(f"p{n}@example.org") for n in range(200)]
    with ThreadPoolExecutor(2) as threads:
        synced = list(threads.map(lambda people: store.subscribers.sync(people, NOON), [roster, roster[::-1]]))
    assert sorted(len(sync.added) for sync in synced) == [0, 200]
    assert store.subscribers.counts() == {"active": 200}


# -- one person


def test_the_operator_enters_and_changes_a_person(store: Store) -> None:
    assert store.subscribers.add(ADA, NOON) is True
    assert someone(store).origin == Origin.OPERATOR
    changed = replace(ADA, papers=5, schedule=Schedule(at=time(20)))
    assert store.subscribers.add(changed, NOON) is False
    assert someone(store).profile == changed
    assert someone(store).next_due_at == datetime(2026, 2, 4, 20, tzinfo=UTC)


def test_the_operator_cannot_enter_who_unsubscribed(store: Store) -> None:
    store.subscribers.add(ADA, NOON)
    store.subscribers.set_state(ADA.email, SubscriberState.UNSUBSCRIBED, NOON)
    with pytest.raises(UsageError, match="only they can subscribe again"):
        store.subscribers.add(ADA, NOON)


@pytest.mark.parametrize("state", [SubscriberState.PAUSED, SubscriberState.REMOVED, SubscriberState.ACTIVE])
def test_only_the_reader_undoes_an_unsubscription(store: Store, state: SubscriberState) -> None:
    """Otherwise `pause` or `remove`, and then the roster that still names her, would mail her again."""
    store.subscribers.sync([ADA], NOON)
    store.subscribers.set_state(ADA.email, SubscriberState.UNSUBSCRIBED, NOON)
    store.subscribers.set_state(ADA.email, SubscriberState.UNSUBSCRIBED, NOON)
    with pytest.raises(UsageError, match="only they can subscribe again"):
        store.subscribers.set_state(ADA.email, state, NOON)
    assert someone(store).state == SubscriberState.UNSUBSCRIBED
    assert store.subscribers.set_state(ADA.email, SubscriberState.ACTIVE, NOON, by_reader=True) == someone(store)
    assert someone(store).state == SubscriberState.ACTIVE


def test_a_person_of_the_roster_is_changed_in_the_roster(store: Store) -> None:
    store.subscribers.sync([ADA], NOON)
    with pytest.raises(UsageError, match="stands in the roster"):
        store.subscribers.add(ADA, NOON)
    store.subscribers.sync([], NOON)
    assert store.subscribers.add(ADA, NOON) is False
    assert (someone(store).state, someone(store).origin) == (SubscriberState.ACTIVE, Origin.OPERATOR)


def test_a_paused_person_gets_nothing_until_resumed(store: Store) -> None:
    store.subscribers.add(ADA, NOON)
    paused = store.subscribers.set_state(ADA.email, SubscriberState.PAUSED, NOON)
    assert paused == someone(store)
    assert (paused.state, paused.next_due_at) == (SubscriberState.PAUSED, None)
    assert store.subscribers.resume_paused(NOON + 300 * DAY) == 0, "no day was given"
    resumed = store.subscribers.set_state(ADA.email, SubscriberState.ACTIVE, NOON + DAY)
    assert resumed == someone(store)
    assert resumed.next_due_at == datetime(2026, 2, 5, 7, tzinfo=UTC)


def test_a_pause_ends_on_its_day(store: Store) -> None:
    store.subscribers.add(ADA, NOON)
    until = date(2026, 2, 10)
    assert store.subscribers.set_state(ADA.email, SubscriberState.PAUSED, NOON, until).paused_until == until
    assert store.subscribers.resume_paused(datetime(2026, 2, 9, 23, 59, tzinfo=UTC)) == 0
    assert store.subscribers.resume_paused(datetime(2026, 2, 10, 0, 0, tzinfo=UTC)) == 1
    back = someone(store)
    assert (back.state, back.paused_until) == (SubscriberState.ACTIVE, None)
    assert back.next_due_at == datetime(2026, 2, 10, 7, tzinfo=UTC)


def test_resuming_on_the_day_of_an_issue_gives_no_second_one(store: Store) -> None:
    store.subscribers.add(ADA, NOON)
    issue(store, someone(store), NOON.date(), NOON + DAY)
    store.subscribers.set_state(ADA.email, SubscriberState.PAUSED, NOON)
    resumed = store.subscribers.set_state(ADA.email, SubscriberState.ACTIVE, NOON)
    assert resumed.next_due_at == datetime(2026, 2, 5, 7, tzinfo=UTC)


def test_a_removed_person_gets_nothing(store: Store) -> None:
    store.subscribers.add(ADA, NOON)
    assert store.subscribers.set_state(ADA.email, SubscriberState.REMOVED, NOON).next_due_at is None
    assert store.subscribers.due(NOON + 30 * DAY, 10) == []


def test_nobody_has_that_address(store: Store) -> None:
    with pytest.raises(UsageError, match=r"nobody with the address 'who@example\.org'"):
        store.subscribers.set_state("who@example.org", SubscriberState.PAUSED, NOON)
    assert store.subscribers.get("who@example.org") is None
    assert store.subscribers.by_token("no such token") is None


@pytest.mark.parametrize(
    "text", ["", "ada", "ada@", "@example.org", "a b@example.org", "ada@example..org", "a@b\n.org"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not an e-mail address"):
        address(text)


@pytest.mark.parametrize(
    ("text", "normal"),
    [("Ada@EXAMPLE.org", "Ada@example.org"), ("ada@xn--bcher-kva.example", "ada@bücher.example"), ("a@lab", "a@lab")],
)
def test_an_address_has_one_normal_form(text: str, normal: str) -> None:
    assert address(text) == normal


# -- who is due


def test_the_longest_waiting_come_first(store: Store) -> None:
    hours = {"c": 9, "a": 5, "b": 7, "later": 20}
    people = [Profile(f"{name}@example.org", schedule=Schedule(at=time(hour))) for name, hour in hours.items()]
    store.subscribers.sync([*people, replace(BO, schedule=Schedule(at=time(5)))], NOON)
    due = store.subscribers.due(NOON, 10)
    assert [p.email[0] for p in due] == ["a", "b", "b", "c"]
    assert due[:2] == store.subscribers.due(NOON, 2)
    assert store.subscribers.next_due_at() == datetime(2026, 2, 4, 5, tzinfo=UTC)


def test_nobody_is_due_in_an_empty_store(store: Store) -> None:
    assert store.subscribers.due(NOON, 10) == []
    assert store.subscribers.next_due_at() is None
    assert list(store.subscribers.everyone()) == []
    assert store.subscribers.categories() == ()
    assert store.subscribers.counts() == {}


def test_postponing_moves_only_when(store: Store) -> None:
    store.subscribers.sync([ADA, BO], NOON)
    ada, bo = someone(store), someone(store, BO.email)
    store.subscribers.postpone({ada.id: NOON + HOUR})
    store.subscribers.postpone({})
    assert someone(store) == replace(ada, next_due_at=NOON + HOUR)
    assert someone(store, BO.email) == bo


def test_postponing_does_not_wake_who_left_meanwhile(store: Store) -> None:
    store.subscribers.sync([ADA], NOON)
    store.subscribers.set_state(ADA.email, SubscriberState.UNSUBSCRIBED, NOON)
    store.subscribers.postpone({someone(store).id: NOON + HOUR})
    assert store.subscribers.due(NOON + DAY, 10) == []


def test_the_index_answers_who_is_due(store: Store) -> None:
    """Among many, of whom few are due; a plan that reads all rows would be seconds at a million."""
    store.subscribers.sync([Profile(f"p{n}@example.org") for n in range(500)], NOON)
    statements: list[tuple[str, Any]] = []

    @sa.event.listens_for(store.database.engine, "before_cursor_execute")
    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        statements.append((statement, parameters))

    store.subscribers.due(NOON - 30 * DAY, 100)
    sa.event.remove(store.database.engine, "before_cursor_execute", note)
    explain = "EXPLAIN QUERY PLAN " if store.database.dialect == "sqlite" else "EXPLAIN "
    [query] = [(text, given) for text, given in statements if "FROM subscribers" in text]
    with store.database.writing() as connection:
        connection.exec_driver_sql("ANALYZE subscribers")
        plan = "\n".join(str(tuple(row)) for row in connection.exec_driver_sql(explain + query[0], query[1]))
    assert "ix_subscribers_due" in plan
    assert "SCAN subscribers" not in plan
    assert "Seq Scan" not in plan
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan


# -- looking at all


@pytest.mark.parametrize("number", [1, 4, 5])
def test_everyone_is_read_in_blocks(store: Store, number: int) -> None:
    store.subscribers.sync([Profile(f"p{n}@example.org") for n in range(number)], NOON)
    people = list(store.subscribers.everyone(block=2))
    assert [p.email for p in people] == [f"p{n}@example.org" for n in range(number)]


def test_categories_are_those_of_active_readers(store: Store) -> None:
    readers = {"a": ("cs.CL", "math.PR"), "b": ("cs.AI", "cs.CL"), "gone": ("hep-th",), "paused": ("q-bio.NC",)}
    people = [Profile(f"{n}@example.org", interests=Interests(categories=c)) for n, c in readers.items()]
    store.subscribers.sync([*people, Profile("d@example.org", interests=interests('about "categories"'))], NOON)
    store.subscribers.set_state("gone@example.org", SubscriberState.UNSUBSCRIBED, NOON)
    store.subscribers.set_state("paused@example.org", SubscriberState.PAUSED, NOON)
    assert store.subscribers.categories() == ("cs.AI", "cs.CL", "math.PR")


def test_people_are_counted_by_state(store: Store) -> None:
    store.subscribers.sync([ADA, BO, replace(BO, email="c@example.org", schedule=Schedule(days=WEEKDAYS))], NOON)
    store.subscribers.set_state(BO.email, SubscriberState.PAUSED, NOON)
    assert store.subscribers.counts() == {"active": 2, "paused": 1}
