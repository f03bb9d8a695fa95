"""Embeddings that are kept: under their model, as long as they are in use, and no longer than their paper."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from digest.models import Listing
from digest.store import Store, schema
from digest.store.tidy import SIGNALS
from digest.store.vectors import NOTED
from tests.make import NOON, a_paper
from tests.test_store_rehearsal import rows

DAY = timedelta(days=1)
VECTOR = b"\x00\x3c\xff\x00"


def test_a_vector_comes_back_under_its_model_only(store: Store) -> None:
    store.vectors.put("one", [("a", "", VECTOR)], NOON)
    store.vectors.put("two", [("a", "", b"other")], NOON)
    assert store.vectors.get("one", ["a", "b"]) == {"a": VECTOR}


def test_more_than_a_query_can_name_are_found(store: Store) -> None:
    keys = [f"{n:05d}" for n in range(1203)]
    store.vectors.put("one", [(key, "", VECTOR) for key in keys], NOON)
    assert store.vectors.get("one", keys).keys() == set(keys)


def test_two_processes_may_compute_the_same(store: Store) -> None:
    for data in (VECTOR, b"later"):
        store.vectors.put("one", [("a", "", data)], NOON)
    assert store.vectors.get("one", ["a"]) == {"a": VECTOR}


def test_a_vector_goes_with_its_paper(store: Store) -> None:
    paper, other = a_paper(), a_paper()
    store.papers.add([Listing("arxiv", p, NOON) for p in (paper, other)], NOON)
    store.vectors.put("one", [("a", paper.id, VECTOR), ("b", other.id, VECTOR), ("phrase", "", VECTOR)], NOON)
    with store.database.writing() as connection:
        connection.execute(schema.papers.delete().where(schema.papers.c.id == paper.id))
    assert store.vectors.get("one", ["a", "b", "phrase"]).keys() == {"b", "phrase"}


def test_what_nobody_asks_for_is_forgotten(store: Store) -> None:
    """The vectors of a model that was replaced, too."""
    store.vectors.put("one", [("used", "", VECTOR), ("left", "", VECTOR)], NOON)
    store.vectors.note("one", ["used"], NOON + NOTED + DAY)
    assert store.attic.tidy(NOON + SIGNALS + DAY, 0)["vectors"] == 1
    assert store.vectors.get("one", ["used", "left"]).keys() == {"used"}


def test_use_is_written_down_once_a_week(store: Store) -> None:
    store.vectors.put("one", [("a", "", VECTOR)], NOON)
    seen = []
    for days in range(20):
        store.vectors.note("one", ["a"], NOON + days * DAY)
        with store.database.reading() as connection:
            seen.append(connection.scalar(sa.select(schema.vectors.c.used_at)))
    assert len(set(seen)) == 3


def test_a_tidy_leaves_what_is_in_use(store: Store) -> None:
    store.vectors.put("one", [("a", "", VECTOR)], NOON)
    store.attic.tidy(NOON + SIGNALS - DAY, 0)
    assert rows(store)["vectors"] == 1
