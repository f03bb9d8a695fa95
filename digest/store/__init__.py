"""The room that remembers: papers, people, and every digest on its way, in SQLite or PostgreSQL.

`open_store` connects, brings the schema up to date and gives back a `Store`, whose parts each speak for a few tables.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import sqlalchemy as sa

from digest.store.bounces import Bounces, Returned
from digest.store.census import Census
from digest.store.copy import copy
from digest.store.deliveries import Deliveries
from digest.store.engine import (
    JOURNAL,
    Database,
    connect,
    create_engine,
    explained,
    is_away,
    is_current,
    migrate,
    parse,
    patient,
    told_plainly,
    upgrade,
)
from digest.store.feedback import Event, Feedback, Opinions
from digest.store.letters import Letter, Letters
from digest.store.limits import Limit, Limits
from digest.store.lock import Held, Hold, hold
from digest.store.outbox import Beginning, Claim, Outcome
from digest.store.papers import Papers, Stored
from digest.store.person import address, key_of
from digest.store.rates import Pace, Rates
from digest.store.readers import Readers
from digest.store.runs import Learned, Run, Runs
from digest.store.shelf import Said, Shelf
from digest.store.signups import Asked, Signups
from digest.store.snapshot import snapshot
from digest.store.sources import Facts, SourceRecord, Sources
from digest.store.subscribers import EVERYBODY, Share, Subscribers, Sync, TokenOf
from digest.store.suppressions import Suppressions
from digest.store.tidy import Attic
from digest.store.vectors import Vectors

__all__ = [
    "EVERYBODY",
    "JOURNAL",
    "Asked",
    "Beginning",
    "Claim",
    "Event",
    "Held",
    "Hold",
    "Learned",
    "Letter",
    "Limit",
    "Opinions",
    "Outcome",
    "Pace",
    "Rates",
    "Returned",
    "Run",
    "Said",
    "Share",
    "SourceRecord",
    "Store",
    "Stored",
    "Sync",
    "TokenOf",
    "address",
    "copy",
    "hold",
    "is_away",
    "key_of",
    "open_store",
    "parse",
    "patient",
    "rehearsal",
    "told_plainly",
    "upgrade",
]


class Store:
    """All parts of one database."""

    def __init__(self, database: Database, token_of: TokenOf) -> None:
        self.database = database
        self.papers = Papers(database)
        self.subscribers = Subscribers(database, token_of)
        self.deliveries = Deliveries(database)
        self.sources = Sources(database)
        self.feedback = Feedback(database)
        self.runs = Runs(database)
        self.facts = Facts(database)
        self.readers = Readers(database, token_of)
        self.signups = Signups(database)
        self.suppressions = Suppressions(database)
        self.bounces = Bounces(database)
        self.letters = Letters(database)
        self.limits = Limits(database)
        self.rates = Rates(database)
        self.shelf = Shelf(database)
        self.census = Census(database)
        self.vectors = Vectors(database)
        self.attic = Attic(database)

    def close(self) -> None:
        """Give the connections back."""
        self.database.close()


def open_store(url: str, token_of: TokenOf, password: str = "") -> Store:
    """Connect to the database at *url*, made and migrated as needed.

    Raises:
        SettingsError: it cannot be used.
    """
    return Store(connect(url, password), token_of)


@contextmanager
def rehearsal(url: str, token_of: TokenOf, password: str = "") -> Iterator[Store]:
    """A store like the one at *url* in which anything may be tried; nothing of it stays.

    SQLite: a copy in a temporary folder, of a file that is opened read-only. PostgreSQL: one transaction that is
    rolled back. A database that does not exist yet, or is empty, rehearses as an empty one.

    Raises:
        SettingsError: it cannot be used.
    """
    where = parse(url, password)
    if where.get_backend_name() == "postgresql":
        with _rolled_back(url, password) as database:
            yield Store(database, token_of)
        return
    with tempfile.TemporaryDirectory(prefix="digest-") as folder:
        copy = Path(folder) / "rehearsal.sqlite"
        snapshot(Path(where.database or ""), copy)
        with closing(open_store(f"sqlite:///{copy}", token_of)) as store:
            yield store


@contextmanager
def _rolled_back(url: str, password: str) -> Iterator[Database]:
    engine = create_engine(url, password)
    try:
        with explained(engine):
            connection = engine.connect()
        with connection:  # closing it rolls everything back
            with explained(engine):
                if not is_current(connection):
                    migrate(connection)
            yield _OneTransaction(engine, connection)
    finally:
        engine.dispose()


class _OneTransaction(Database):
    """A database whose transactions are savepoints of one that is rolled back in the end."""

    def __init__(self, engine: sa.Engine, connection: sa.Connection) -> None:
        super().__init__(engine)
        self._connection = connection

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        yield self._connection

    @contextmanager
    def writing(
        self,
        alone_in: sa.Table | None = None,  # noqa: ARG002 - hinders nobody
        *,
        forgettable: bool = False,  # noqa: ARG002 - all of it is forgotten
    ) -> Iterator[sa.Connection]:
        with self._connection.begin_nested():
            yield self._connection

    @contextmanager
    def stating(self) -> Iterator[sa.Connection]:
        with self.writing() as connection:
            yield connection
