"""What the store keeps of mail that came back, on both databases."""

from __future__ import annotations

from datetime import timedelta

from digest.models import Listing, Profile, Subscriber
from digest.store import Beginning, Returned, Store
from digest.store.bounces import KEPT
from tests.make import NOON, a_digest, a_paper, a_pick

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


def people(store: Store, *emails: str) -> list[Subscriber]:
    store.subscribers.sync([Profile(email) for email in emails], NOON)
    return list(store.subscribers.everyone())


def plan(store: Store, *readers: Subscriber) -> None:
    paper = a_paper()
    store.papers.add([Listing("arxiv", paper, NOON)], NOON)
    store.deliveries.plan([a_digest(a_pick(paper), subscriber=reader) for reader in readers], {})


# -- bounces


def test_bounces_add_up_for_each_reader(store: Store) -> None:
    ada, ben = people(store, "ada@example.org", "ben@example.org")
    first, second = Returned(NOON, "soft", "5.2.2", "full"), Returned(NOON + DAY, "hard", "5.1.1", "x" * 900)
    assert store.bounces.add(ada.token, first) == [first]
    store.bounces.add(ben.token, first)
    found = store.bounces.add(ada.token, second)
    assert [(each.at, each.kind, each.status) for each in found] == [
        (NOON, "soft", "5.2.2"),
        (NOON + DAY, "hard", "5.1.1"),
    ]
    assert len(found[1].text) == 500
    assert store.bounces.counts(NOON) == {"hard": 1, "soft": 2}
    assert store.bounces.counts(NOON + MINUTE) == {"hard": 1}
    store.bounces.clear(ada.token)
    assert (store.bounces.of(ada.id), len(store.bounces.of(ben.id))) == ([], 1)


def test_of_nobody_nothing_is_kept(store: Store) -> None:
    assert store.bounces.add("no such token", Returned(NOON, "hard")) == []
    assert store.bounces.counts(NOON) == {}


def test_bounces_go_after_a_while_and_with_their_reader(store: Store) -> None:
    ada, ben = people(store, "ada@example.org", "ben@example.org")
    store.bounces.add(ada.token, Returned(NOON, "soft"))
    store.bounces.add(ben.token, Returned(NOON + DAY, "soft"))
    assert store.bounces.forget(NOON + KEPT + MINUTE) == 1
    store.readers.erase(ben.token)
    assert store.bounces.counts(NOON - DAY) == {}


# -- suppressions


def test_a_suppressed_reader_is_due_no_more(store: Store) -> None:
    ada, ben = people(store, "ada@example.org", "ben@example.org")
    store.suppressions.add(ada.token, "hard", NOON)
    assert [person.email for person in store.subscribers.due(NOON + 2 * DAY, 10)] == ["ben@example.org"]
    store.subscribers.postpone({ben.id: NOON})
    assert store.suppressions.stop_due(NOON + 2 * DAY) == 0


def test_whoever_is_made_due_anew_is_stopped_before_planning(store: Store) -> None:
    ada, ben = people(store, "ada@example.org", "ben@example.org")
    store.suppressions.add(ada.token, "complaint", NOON)
    store.readers.edit(ada.token, lambda profile: Profile(profile.email, papers=3), NOON)
    store.readers.pause(ada.token, None, NOON)
    store.readers.resume(ada.token, NOON)
    assert len(store.subscribers.due(NOON + 2 * DAY, 10)) == 2
    assert store.suppressions.stop_due(NOON + 2 * DAY) == 1
    assert [person.id for person in store.subscribers.due(NOON + 2 * DAY, 10)] == [ben.id]


def test_a_claim_says_who_is_suppressed(store: Store) -> None:
    ada, ben = people(store, "ada@example.org", "ben@example.org")
    plan(store, ada, ben)
    store.suppressions.add(ada.token, "hard", NOON)
    claims = store.deliveries.claim(NOON, "me", 10)
    assert {claim.digest.subscriber.email: claim.suppressed for claim in claims} == {
        "ada@example.org": True,
        "ben@example.org": False,
    }


def test_a_body_does_not_begin_for_who_is_suppressed_in_the_last_moment(store: Store) -> None:
    ada, ben = people(store, "ada@example.org", "ben@example.org")
    plan(store, ada, ben)
    claims = {c.digest.subscriber.id: c.id for c in store.deliveries.claim(NOON, "me", 10)}
    store.suppressions.add(ada.token, "complaint", NOON)
    beginnings = [Beginning(id_, "5ba93c9d", f"<{id_}@example.org>", NOON + DAY) for id_ in claims.values()]
    assert store.deliveries.mark(beginnings, [], "me") == {claims[ben.id]}


def test_a_suppression_is_lifted_for_its_reason_only(store: Store) -> None:
    store.suppressions.add("t1", "hard", NOON)
    store.suppressions.add("t2", "complaint", NOON)
    assert not store.suppressions.lift(["t2"], ["hard", "soft"])
    assert store.suppressions.lift(["t0", "t1"], ["hard", "soft"])
    assert (store.suppressions.any(["t1"]), store.suppressions.any(["t2"])) == (False, True)
