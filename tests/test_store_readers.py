"""What the pages keep, on SQLite and on PostgreSQL: sign-ups, consent, letters, limits, what is forgotten."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from digest.errors import UsageError
from digest.models import Origin, Profile, Subscriber, SubscriberState, Topic
from digest.store import Asked, Letter, Limit, Store
from digest.store.schema import metadata
from tests.make import NOON, a_paper, interests

ADA = Profile("ada@example.org", interests=interests("theory of mind"))
FORM = Asked("192.0.2.0/24", "Send me a digest")


def welcome(person: Subscriber) -> Letter:
    return Letter("welcome", person.token, person.email, NOON)


def confirmed(store: Store, token: str = "ada") -> Subscriber:
    store.signups.ask(token, ADA, FORM, NOON)
    person = store.readers.confirm(token, "198.51.100.0/24", NOON, welcome)
    assert person
    return person


def test_the_migrations_make_the_tables_as_they_are_declared(store: Store) -> None:
    with store.database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_a_form_waits_and_its_letter_with_it(store: Store) -> None:
    assert store.signups.ask("ada", ADA, FORM, NOON)
    assert store.signups.get("ada") == (ADA, NOON)
    [letter] = store.letters.claim(NOON, 9)
    assert (letter.kind, letter.email, letter.at) == ("confirm", ADA.email, NOON)
    assert store.subscribers.get(ADA.email) is None


def test_two_presses_at_once_confirm_once(store: Store) -> None:
    store.signups.ask("ada", ADA, FORM, NOON)
    with ThreadPoolExecutor(4) as pool:
        people = list(pool.map(lambda _: store.readers.confirm("ada", "", NOON, welcome), range(4)))
    assert sum(person is not None for person in people) == 1
    person = store.subscribers.get(ADA.email)
    assert person
    assert len(store.readers.consents(person.id)) == 1


def test_a_confirmed_reader_is_due_at_once_and_their_own(store: Store) -> None:
    person = confirmed(store)
    assert (person.state, person.origin, person.next_due_at) == (SubscriberState.ACTIVE, Origin.WEB, NOON)
    [consent] = store.readers.consents(person.id)
    assert (consent["asked_from"], consent["confirmed_from"]) == ("192.0.2.0/24", "198.51.100.0/24")


def test_confirming_again_after_leaving_keeps_the_history(store: Store) -> None:
    first = confirmed(store)
    store.readers.leave("ada", NOON)
    again = confirmed(store)
    assert (again.id, again.state) == (first.id, SubscriberState.ACTIVE)
    assert len(store.readers.consents(first.id)) == 2


def test_edits_at_the_same_time_are_not_lost(store: Store) -> None:
    confirmed(store)

    def add(number: int) -> None:
        def change(profile: Profile) -> Profile:
            topics = (*profile.interests.topics, Topic(f"topic {number}"))
            return Profile(profile.email, interests=interests(*(topic.phrase for topic in topics)))

        store.readers.edit("ada", change, NOON)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(8)))
    person = store.subscribers.get(ADA.email)
    assert person
    assert len(person.interests.topics) == 9


def test_only_the_living_can_be_paused_and_only_the_paused_resumed(store: Store) -> None:
    confirmed(store)
    store.readers.leave("ada", NOON)
    assert store.readers.pause("ada", None, NOON)
    assert store.readers.resume("ada", NOON)
    assert store.subscribers.counts() == {"unsubscribed": 1}
    assert store.readers.leave("nobody", NOON) is None


def test_erasing_takes_everything_along(store: Store) -> None:
    person = confirmed(store)
    store.papers.add_looked_up(["2602.00001"], [a_paper(id="2602.00001")], NOON)
    store.signups.ask("ada", ADA, FORM, NOON)
    assert store.readers.erase("ada")
    assert not store.readers.erase("ada")
    assert store.subscribers.get(ADA.email) is None
    assert store.signups.get("ada") is None
    assert store.letters.count() == 0
    assert store.readers.consents(person.id) == []


def test_a_roster_or_a_command_does_not_enter_a_suppressed_address(store: Store) -> None:
    store.subscribers.add(ADA, NOON)
    person = store.subscribers.get(ADA.email)
    assert person
    store.suppressions.add(person.token, "erased", NOON)
    store.suppressions.add(person.token, "erased", NOON)
    store.readers.erase(person.token)
    sync = store.subscribers.sync([ADA], NOON)
    assert (sync.added, sync.left) == ((), (ADA.email,))
    with pytest.raises(UsageError, match="never to be written to"):
        store.subscribers.add(ADA, NOON)
    assert store.suppressions.count() == 1


def test_a_letter_is_claimed_by_one_and_comes_back_when_they_die(store: Store) -> None:
    for number in range(20):
        store.letters.add(Letter("preferences", f"t{number}", f"{number}@example.org", NOON))
    with ThreadPoolExecutor(4) as pool:
        batches = list(pool.map(lambda _: store.letters.claim(NOON, 5), range(4)))
    assert sorted(letter.token for batch in batches for letter in batch) == sorted(f"t{n}" for n in range(20))
    assert store.letters.claim(NOON + timedelta(minutes=1), 99) == []
    assert len(store.letters.claim(NOON + timedelta(minutes=2), 99)) == 20
    assert store.letters.claim(NOON + timedelta(days=2), 99) == []
    assert store.letters.count() == 0, "too old to be of use"


def test_a_limit_lets_a_burst_through_and_then_one_each_interval(store: Store) -> None:
    limit = Limit("x", burst=3, interval=60)

    def take(seconds: float) -> bool:
        return store.limits.take([limit], NOON + timedelta(seconds=seconds)) is None

    assert [take(0) for _ in range(5)] == [True, True, True, False, False]
    assert [take(59), take(60), take(61)] == [False, True, False]
    assert [take(3600) for _ in range(4)] == [True, True, True, False]


def test_one_full_limit_takes_nothing_from_the_others(store: Store) -> None:
    wide, narrow = Limit("wide", 3, 60), Limit("narrow", 1, 60)
    assert store.limits.take([wide, narrow], NOON) is None
    assert store.limits.take([wide, narrow], NOON) == narrow
    assert [store.limits.take([wide], NOON) for _ in range(3)] == [None, None, wide]


def test_a_limit_holds_against_many_at_once(store: Store) -> None:
    limits = [Limit("b", 7, 60), Limit("a", 9, 60)]
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda i: store.limits.take(limits[:: 1 if i % 2 else -1], NOON), range(40)))
    assert taken.count(None) == 7


def test_what_holds_nobody_back_is_forgotten(store: Store) -> None:
    store.limits.take([Limit("x", 3, 60)], NOON)
    store.rates.reserve("arxiv", 3, NOON.timestamp())
    assert store.limits.forget(NOON) == 0
    assert store.limits.forget(NOON + timedelta(minutes=2)) == 1
    assert store.rates.reserve("arxiv", 3, NOON.timestamp()) == 3, "the pace of a source is no such limit"


def test_the_census_counts_each_day_once(store: Store) -> None:
    confirmed(store)
    store.census.take(NOON.date())
    store.readers.leave("ada", NOON)
    store.census.take(NOON.date())
    assert store.census.subscribers(NOON.date()) == {NOON.date(): {"unsubscribed": 1}}
    assert store.census.topics(5) == []
