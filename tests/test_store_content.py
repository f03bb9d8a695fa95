"""What a delivery keeps of its digest: the same digest again, and the same objects for what many readers share."""

from __future__ import annotations

import itertools
import json
import zlib
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from hypothesis import given
from hypothesis import strategies as st

from digest.models import Digest, Paper, Pick, Profile, Reason, ReasonKind, Section, SourceStatus
from digest.store import codec, engine, open_store, schema
from digest.store.content import ByIdentity, Contents, Memory
from tests.make import a_digest, a_paper, a_pick, a_subscriber, interests, token_of

MIGRATIONS = Path(engine.__file__).parent / "migrations"

texts = st.text(st.characters(codec="utf-8"), max_size=20)
reasons = st.builds(Reason, st.sampled_from(ReasonKind), texts, st.lists(texts, max_size=3).map(tuple))
picks = st.builds(
    Pick,
    st.builds(Paper, texts.filter(bool), texts),
    st.floats(-9, 9),
    st.sampled_from(Section),
    st.lists(reasons, max_size=3).map(tuple),
    st.datetimes(datetime(2000, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis adds the zone
    st.lists(texts, max_size=2).map(tuple),
)


def papers_of(digest: Digest, contents: Contents) -> Mapping[str, Paper]:
    return {contents.edition(pick.paper): pick.paper for pick in digest.picks}


@given(st.lists(picks, max_size=4).map(tuple), texts, st.none() | st.dates())
def test_a_digest_is_read_as_it_was_written(chosen: tuple[Pick, ...], name: str, since: date | None) -> None:
    """Whatever stands in it, line breaks too; by whoever wrote it, and by another process."""
    digest = a_digest(*chosen, subscriber=a_subscriber(name=name), since=since)
    writing = Contents()
    kept = papers_of(digest, writing)
    for reading in (writing, Contents()):
        [content] = reading.read([writing.write(digest)], lambda ids: {id_: kept[id_] for id_ in ids})
        assert content.picks == digest.picks
        assert content.profile == digest.subscriber.profile
        assert content.day.since == since
        assert (content.day.considered, content.day.sources) == (digest.considered, digest.sources)


def test_equal_picks_of_many_readers_are_one_object() -> None:
    asked: list[str] = []
    pick = a_pick()

    def editions(ids: Iterable[str]) -> Mapping[str, Paper]:
        asked.extend(ids)
        return dict.fromkeys(asked, pick.paper)

    contents = Contents()
    people = [a_subscriber(f"{n}@example.org") for n in range(3)]
    lines = [contents.write(a_digest(replace(pick), subscriber=person)) for person in people]
    one, two = contents.read(lines[:2], editions)
    [three] = contents.read(lines[2:], editions)
    assert one.picks[0] is two.picks[0] is three.picks[0]
    assert one.day is three.day
    assert len(asked) == 1


def test_lists_of_papers_are_left_out() -> None:
    """They decide nothing that is written, and some have hundreds."""
    wanted = interests("owls", liked=("1706.03762",), disliked=("1810.04805",))
    contents = Contents()
    digest = a_digest(subscriber=a_subscriber(interests=wanted))
    kept = papers_of(digest, contents)
    [content] = contents.read([contents.write(digest)], lambda _: kept)
    assert content.profile.interests == replace(wanted, liked=(), disliked=())


def test_what_is_remembered_is_bounded_and_recent() -> None:
    memory: Memory[int, int] = Memory(10)
    for n in range(1, 100):
        memory[n] = n
        assert memory.get(1) == 1, "asked for again and again"
    assert [memory.get(n) for n in (1, 98, 99)] == [1, 98, 99]
    assert [n for n in range(2, 90) if memory.get(n)] == []


def test_answers_belong_to_the_very_object() -> None:
    numbers = itertools.count(1)

    def number(_: Paper) -> int:
        return next(numbers)

    remembered = ByIdentity(number)
    paper = a_paper()
    twin = replace(paper)
    assert [remembered(paper), remembered(paper), remembered(twin), remembered(twin)] == [1, 1, 2, 2]


def test_a_database_of_before_is_rewritten(empty_url: str) -> None:
    """Deliveries that an earlier version planned are sent, and read in the archive, as if nothing had happened."""
    digest = a_digest(a_pick(), sources=(SourceStatus("arxiv", 379),), since=date(2026, 2, 1))
    _at_revision(empty_url, "0005", digest)
    with closing(open_store(empty_url, token_of)) as store:
        [claim] = store.deliveries.claim(digest.planned_at, "me", 10)
        assert claim.digest.picks == digest.picks
        assert (claim.digest.since, claim.digest.sources) == (digest.since, digest.sources)
        assert claim.digest.subscriber.profile == Profile("ada@example.org")


def _at_revision(url: str, revision: str, digest: Digest) -> None:
    """A database as it was then, with one delivery."""
    opened = engine.create_engine(url)
    with opened.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        contents = Contents()
        lines = [json.loads(line) for line in contents.write(digest).split(b"\n")]
        kept = [{"paper": {"id": pick.pop("edition")}, **pick} for pick in lines[2:]]
        old = json.dumps({"profile": {"email": "ada@example.org"}, "picks": kept, **lines[1]})
        [pick], moment = digest.picks, digest.planned_at
        person: dict[str, object] = {
            "token": "t",
            "email": "ada@example.org",
            "email_key": "ada@example.org",
            "state": "active",
        }
        person |= {"name": "", "language": "en", "papers": 12, "zone": "UTC", "at": "07:00", "days": "0123456"}
        connection.execute(
            schema.subscribers.insert().values(**person, interests={}, origin="file", created_at=moment, id=1)
        )
        paper = {"id": pick.paper.id, "first_seen": moment, "data": {"id": pick.paper.id, "title": pick.paper.title}}
        connection.execute(schema.papers.insert().values(no=1, **paper))
        edition = {"id": contents.edition(pick.paper), "paper_no": 1}
        connection.execute(schema.editions.insert().values(**edition, data=codec.papers.dump_json(pick.paper)))
        row = {
            "subscriber_id": 1,
            "issue": digest.issue,
            "state": "planned",
            "planned_at": moment,
            "papers": b"\1\0\0\0",
        }
        raw = sa.table("deliveries", *[sa.column(n) for n in row], sa.column("content", sa.LargeBinary))
        typed = schema.deliveries.insert().values(**row, expires_at=moment, ready_at=moment, content=b"")
        connection.execute(typed)
        connection.execute(raw.update().values(content=zlib.compress(old.encode(), 3)))
    opened.dispose()
