"""A rehearsal may try anything, and nothing of it stays."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from digest.errors import SettingsError
from digest.models import DeliveryState, Listing, Profile, Signal, SubscriberState
from digest.store import Asked, Beginning, Learned, Letter, Outcome, Returned, Run, Store, open_store, rehearsal, schema
from tests.make import NOON, a_digest, a_paper, a_pick, token_of

if TYPE_CHECKING:
    from tests.databases import PostgreSQL


def use_everything(store: Store) -> None:
    """Write every table, as a whole day would."""
    paper = a_paper()
    store.papers.add([Listing("arxiv", paper, NOON, signal=Signal(NOON, 3))], NOON)
    store.papers.add_looked_up(["2602.99999"], [], NOON)
    store.subscribers.sync([Profile("ada@example.org"), Profile("bo@example.org")], NOON)
    store.subscribers.add(Profile("cy@example.org"), NOON)
    store.subscribers.set_state("bo@example.org", SubscriberState.UNSUBSCRIBED, NOON)
    [ada, *_] = [p for p in store.subscribers.everyone() if p.email == "ada@example.org"]
    store.feedback.add(ada.id, paper.id, "more", NOON)
    digest = a_digest(a_pick(paper), subscriber=ada)
    store.deliveries.plan([digest], {ada.id: NOON + timedelta(days=1)})
    [claim] = store.deliveries.claim(NOON, "me", 1)
    store.deliveries.mark([Beginning(claim.id, "", "", NOON)], [], "me")
    store.deliveries.mark([], [Outcome(claim.id, DeliveryState.SENT, NOON)], "me")
    store.sources.record("arxiv", NOON, NOON, "")
    store.sources.put("https://example.org", '"1"', "")
    store.rates.reserve("arxiv", 3.0, 1000.0)
    store.bounces.add(ada.token, Returned(NOON, "soft"))
    for name in ("di", "ed"):
        store.signups.ask(name, Profile(f"{name}@example.org"), Asked("192.0.2.0/24", "yes"), NOON)
    store.readers.confirm("di", "192.0.2.0/24", NOON, lambda p: Letter("welcome", p.token, p.email, NOON))
    store.suppressions.add("token", "not me", NOON)
    store.census.take(NOON.date())
    store.facts.put({"roster": "a1"})
    store.runs.add(Run(NOON, NOON, {}))
    store.runs.keep_statistics(Learned(NOON, 1, b"\0"))
    store.vectors.put("model", [("a paper's hash", paper.id, b"\0"), ("a phrase's", "", b"\0")], NOON)
    assert all(rows(store).values())


def rows(store: Store) -> dict[str, int]:
    with store.database.reading() as connection:
        count = sa.func.count
        return {
            t.name: connection.scalar(sa.select(count()).select_from(t)) or 0 for t in schema.metadata.sorted_tables
        }


def folder(path: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in path.iterdir()}


def test_a_rehearsal_sees_everything_and_keeps_nothing(store: Store, database_url: str) -> None:
    use_everything(store)
    before = rows(store), list(store.subscribers.everyone()), store.deliveries.recent(10)
    with rehearsal(database_url, token_of) as rehearsed:
        assert rows(rehearsed) == before[0]
        rehearsed.subscribers.sync([replace(p.profile, papers=3) for p in store.subscribers.everyone()], NOON)
        rehearsed.papers.add([Listing("arxiv", a_paper(), NOON)], NOON)
        [other] = [p for p in rehearsed.subscribers.everyone() if p.email == "cy@example.org"]
        rehearsed.deliveries.plan(
            [a_digest(a_pick(rehearsed.papers.candidates(NOON, NOON)[-1].paper), subscriber=other)], {}
        )
        assert len(rehearsed.deliveries.claim(NOON, "me", 10)) == 1
        assert rows(rehearsed) != before[0]
    assert (rows(store), list(store.subscribers.everyone()), store.deliveries.recent(10)) == before


def test_an_empty_database_can_be_rehearsed(store: Store, database_url: str) -> None:
    with rehearsal(database_url, token_of) as rehearsed:
        use_everything(rehearsed)
    assert not any(rows(store).values())


def test_a_failure_in_a_rehearsal_keeps_nothing_either(store: Store, database_url: str) -> None:
    with pytest.raises(ZeroDivisionError), rehearsal(database_url, token_of) as rehearsed:  # noqa: PT012
        use_everything(rehearsed)
        _ = 1 / 0
    assert not any(rows(store).values())


def test_a_rehearsal_survives_a_refused_write(store: Store, database_url: str) -> None:
    """What failed is undone alone, as in a transaction of its own."""
    with rehearsal(database_url, token_of) as rehearsed:
        use_everything(rehearsed)
        with pytest.raises(sa.exc.IntegrityError), rehearsed.database.writing() as connection:
            connection.execute(schema.facts.insert().values(name="roster", value="again"))
        assert rehearsed.facts.get("roster") == "a1"


@pytest.mark.parametrize("journal", ["TRUNCATE", "WAL", "DELETE"])
def test_the_file_and_its_folder_stay_as_they_are(tmp_path: Path, journal: str) -> None:
    url = f"sqlite:///{tmp_path / 'digest.sqlite'}"
    with closing(open_store(url, token_of)) as store:
        use_everything(store)
    with closing(sqlite3.connect(tmp_path / "digest.sqlite")) as connection:
        connection.execute(f"PRAGMA journal_mode={journal}")
    before = folder(tmp_path)
    with rehearsal(url, token_of) as rehearsed:
        assert rows(rehearsed)["deliveries"] == 1
        rehearsed.deliveries.plan(
            [replace(a_digest(subscriber=p), picks=()) for p in rehearsed.subscribers.everyone()], {}
        )
        rehearsed.subscribers.sync([], NOON)
    assert folder(tmp_path) == before


def test_what_a_running_writer_committed_is_seen(tmp_path: Path) -> None:
    """In WAL mode it stands in another file than the database."""
    url = f"sqlite:///{tmp_path / 'digest.sqlite'}"
    open_store(url, token_of).close()
    with closing(sqlite3.connect(tmp_path / "digest.sqlite")) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("INSERT INTO facts VALUES ('roster', 'a1')")
        writer.commit()
        with rehearsal(url, token_of) as rehearsed:
            assert rehearsed.facts.get("roster") == "a1"


def test_a_file_that_does_not_exist_is_not_made(tmp_path: Path) -> None:
    with rehearsal(f"sqlite:///{tmp_path / 'var' / 'digest.sqlite'}", token_of) as rehearsed:
        use_everything(rehearsed)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_says_so(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("Dear diary. " * 500)
    with (
        pytest.raises(SettingsError, match=r"DIGEST_DATABASE_URL: .*notes\.txt: file is not a database"),
        rehearsal(f"sqlite:///{tmp_path / 'notes.txt'}", token_of),
    ):
        pass


@pytest.mark.parametrize("url", ["mysql://example.org/x", "nonsense", "postgresql://me:secret@127.0.0.1:1/x"])
def test_a_url_that_cannot_be_used_says_so(url: str) -> None:
    with pytest.raises(SettingsError, match=r"^DIGEST_DATABASE_URL: ") as caught, rehearsal(url, token_of):
        pass
    assert "secret" not in str(caught.value)


@pytest.mark.pg
def test_a_postgresql_in_which_nothing_was_made_yet_stays_so(postgres: PostgreSQL) -> None:
    with postgres.fresh("template0") as url:
        with rehearsal(url, token_of) as rehearsed:
            use_everything(rehearsed)
            engine = rehearsed.database.engine
        assert sa.inspect(engine).get_table_names() == []
        engine.dispose()


def test_after_a_kill_in_mid_write_one_can_look_again(tmp_path: Path) -> None:
    """The journal of a transaction that nobody will end makes a read-only look impossible."""
    made = open_store(f"sqlite:///{tmp_path}/made.sqlite", token_of)
    made.subscribers.add(Profile("ada@example.org"), NOON)
    made.close()
    with closing(sqlite3.connect(tmp_path / "made.sqlite", isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode=TRUNCATE")
        writer.execute("PRAGMA cache_size=1")  # so that half of the transaction is in the file
        writer.execute("BEGIN IMMEDIATE")
        writer.executemany("INSERT INTO facts VALUES (?, ?)", ((str(n), "x" * 500) for n in range(2000)))
        for name in ("made.sqlite", "made.sqlite-journal"):
            shutil.copy(tmp_path / name, tmp_path / name.replace("made", "killed"))
        writer.execute("ROLLBACK")
    with rehearsal(f"sqlite:///{tmp_path}/killed.sqlite", token_of) as store:
        assert [person.email for person in store.subscribers.everyone()] == ["ada@example.org"]
        assert store.facts.get("1") is None
