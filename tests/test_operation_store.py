"""Forgetting and copying: what goes, what never goes, and that a copy is one."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from digest import app
from digest.errors import UsageError
from digest.models import DeliveryState, Interests, Listing, ListingKind, Profile, Signal, Subscriber
from digest.settings import Settings
from digest.store import Beginning, Outcome, Run, Store, copy, open_store, schema, upgrade
from digest.store.tidy import CONTENTS, PAPERS, SIGNALS, VALIDATORS
from tests.make import NOON, a_digest, a_paper, a_pick, token_of
from tests.test_store_rehearsal import rows, use_everything

if TYPE_CHECKING:
    from tests.databases import PostgreSQL

DAY = timedelta(days=1)
LONG = "It says nothing that anyone wrote. " * 60


def a_reader(store: Store, **interests: Any) -> Subscriber:
    store.subscribers.sync([Profile("ada@example.org", interests=Interests(**interests))], NOON)
    return next(iter(store.subscribers.everyone()))


def send(store: Store, digest: Any) -> None:
    store.deliveries.plan([digest], {})
    [claim] = store.deliveries.claim(NOON, "me", 1)
    store.deliveries.mark([Beginning(claim.id, "5a", "<1@example.org>", NOON)], [], "me")
    store.deliveries.mark([], [Outcome(claim.id, DeliveryState.SENT, NOON, "250 ok")], "me")


def abstract_of(store: Store, paper_id: str) -> str:
    return store.papers.by_id([paper_id])[paper_id].abstract


def test_what_was_shown_stays_known_when_all_else_is_forgotten(store: Store) -> None:
    """The paper comes again from a feed that repeats itself, years later: it is no news, and was seen."""
    paper = a_paper(abstract=LONG)
    listing = Listing("blog", paper, NOON, signal=Signal(NOON, 3))
    store.papers.add([listing], NOON)
    reader = a_reader(store)
    send(store, a_digest(a_pick(paper), subscriber=reader))
    later = NOON + 1000 * DAY
    store.attic.tidy(later, 0)
    store.papers.add([Listing("blog", paper, later)], later)
    assert store.papers.candidates(later - DAY, later) == []
    assert store.deliveries.seen([reader.id], (NOON - DAY).date())[reader.id].keys() == {paper.id}


@pytest.mark.parametrize(("age", "kept"), [(SIGNALS - DAY, 1), (SIGNALS + DAY, 0)])
def test_readings_and_updates_have_their_time(store: Store, age: timedelta, kept: int) -> None:
    paper = a_paper()
    store.papers.add([Listing("huggingface", paper, NOON, signal=Signal(NOON, 3))], NOON)
    store.papers.add([Listing("arxiv", paper, NOON, ListingKind.UPDATE)], NOON)
    store.attic.tidy(NOON + age, 0)
    assert (rows(store)["readings"], rows(store)["listings"]) == (kept, 1 + kept)


def test_a_digest_is_kept_whole_for_its_time_and_its_record_for_ever(store: Store) -> None:
    paper = a_paper()
    store.papers.add([Listing("arxiv", paper, NOON)], NOON)
    reader, issue = a_reader(store), NOON.date()
    send(store, a_digest(a_pick(paper), subscriber=reader, issue=issue))

    def found() -> Any:
        return store.deliveries.find(reader.id, issue)

    store.attic.tidy(NOON + CONTENTS, 0)
    assert found()[1].picks[0].paper == paper
    store.attic.tidy(NOON + CONTENTS + DAY, 0)
    delivery, digest = found()
    assert digest is None
    assert (delivery.state, delivery.sent_at, delivery.message_id) == (DeliveryState.SENT, NOON, "")
    store.attic.tidy(NOON + PAPERS + DAY, 0)
    assert rows(store)["editions"] == 0
    assert rows(store)["deliveries"] == 1


def test_what_still_waits_is_kept_whole(store: Store) -> None:
    paper = a_paper()
    store.papers.add([Listing("arxiv", paper, NOON)], NOON)
    store.deliveries.plan([a_digest(a_pick(paper), subscriber=a_reader(store))], {})
    store.attic.tidy(NOON + CONTENTS + DAY, 0)
    assert store.deliveries.claim(NOON + CONTENTS + DAY, "me", 1)[0].digest.picks


def test_old_papers_are_shortened_but_for_those_that_readers_named_or_marked(store: Store) -> None:
    old, liked, marked, young = papers = [a_paper(abstract=LONG) for _ in range(4)]
    store.papers.add([Listing("arxiv", p, NOON) for p in papers[:3]], NOON)
    store.papers.add([Listing("arxiv", young, NOON + PAPERS)], NOON + PAPERS)
    store.feedback.add(a_reader(store, liked=(liked.id,)).id, marked.id, "more", NOON)
    assert store.attic.tidy(NOON + PAPERS + DAY, whole_papers=0)["papers"] == 1
    assert abstract_of(store, old.id) == LONG[:300]
    assert [abstract_of(store, p.id) for p in (liked, marked, young)] == [LONG] * 3
    assert store.attic.tidy(NOON + PAPERS + DAY, whole_papers=0)["papers"] == 0, "nothing is done twice"


def test_the_latest_papers_stay_whole_however_old(store: Store) -> None:
    """Word statistics are learned from them."""
    papers = [a_paper(abstract=LONG) for _ in range(3)]
    for days, paper in enumerate(papers):
        store.papers.add([Listing("arxiv", paper, NOON)], NOON + days * DAY)
    store.attic.tidy(NOON + 1000 * DAY, whole_papers=2)
    assert [len(abstract_of(store, p.id)) for p in papers] == [300, len(LONG), len(LONG)]


def test_runs_and_validators_are_bounded(store: Store) -> None:
    for age in (CONTENTS + DAY, DAY):
        store.runs.add(Run(NOON - age, NOON - age, {}))
    for number in range(VALIDATORS + 1):
        if number == VALIDATORS:
            store.attic.tidy(NOON, 0)
            assert rows(store)["validators"] == VALIDATORS
        store.sources.put(f"https://example.org/{number}", '"1"', "")
    store.attic.tidy(NOON, 0)
    assert (rows(store)["runs"], rows(store)["validators"]) == (1, 0)


def test_sizes_are_told(store: Store) -> None:
    use_everything(store)
    sizes = store.attic.sizes()
    assert sizes["bytes"] > 10_000
    assert sizes["deliveries"] == 1


# ---- copies


def everything(store: Store) -> dict[str, list[Any]]:
    with store.database.reading() as connection:
        return {
            t.name: [tuple(row) for row in connection.execute(sa.select(t).order_by(*t.primary_key.columns))]
            for t in schema.metadata.sorted_tables
        }


def test_a_copy_has_everything(store: Store, database_url: str, tmp_path: Path) -> None:
    use_everything(store)
    target = f"sqlite:///{tmp_path}/backup/copy.sqlite"
    copied = copy(database_url, target, "", lambda *_: None)
    with closing(open_store(target, token_of)) as other:
        assert everything(other) == everything(store)
        assert copied == {name: len(found) for name, found in everything(store).items()}


@pytest.mark.pg
def test_moving_to_postgresql_goes_on_where_sqlite_ended(postgres: PostgreSQL, tmp_path: Path) -> None:
    origin = f"sqlite:///{tmp_path}/digest.sqlite"
    with closing(open_store(origin, token_of)) as old, postgres.fresh() as target:
        use_everything(old)
        copy(origin, target, "", lambda *_: None)
        with closing(open_store(target, token_of)) as new:
            assert everything(new) == everything(old)
            new.subscribers.add(Profile("new@example.org"), NOON)
            paper = a_paper()
            new.papers.add([Listing("arxiv", paper, NOON)], NOON)
            reader = new.subscribers.get("new@example.org")
            assert reader
            new.deliveries.plan([a_digest(a_pick(paper), subscriber=reader)], {})
            assert rows(new)["deliveries"] == 2


def test_a_copy_never_overwrites(store: Store, database_url: str) -> None:
    use_everything(store)
    before = everything(store)
    with pytest.raises(UsageError, match="is not empty"):
        copy(database_url, database_url, "", lambda *_: None)
    assert everything(store) == before


def test_a_copy_of_what_is_not_there_is_refused(tmp_path: Path) -> None:
    """SQLite would make an empty database of it, and the backup be empty, too."""
    misspelt, backup = tmp_path / "digets.sqlite", tmp_path / "monday.sqlite"
    with pytest.raises(UsageError, match=r"no database .*digets.sqlite"):
        copy(f"sqlite:///{misspelt}", f"sqlite:///{backup}", "", lambda *_: None)
    assert not misspelt.exists()
    assert not backup.exists()


def test_an_upgrade_says_from_where_to_where(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/digest.sqlite"
    first, second = upgrade(url), upgrade(url)
    assert first[0] == ""
    assert first[1] == second[0] == second[1]
    assert app.upgrade(Settings(home=tmp_path, database_url=url)) == second
