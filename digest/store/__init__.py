"""The room that remembers: papers, people, and every digest on its way, in SQLite or PostgreSQL.

`open_store` connects, brings the schema up to date and gives back a `Store`, whose parts each speak for a few tables.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import sqlalchemy as sa

from digest.store.census import Census
from digest.store.deliveries import Beginning, Claim, Deliveries, Outcome
from digest.store.engine import JOURNAL, Database, connect, create_engine
from digest.store.feedback import Feedback, Opinions
from digest.store.letters import Letter, Letters
from digest.store.limits import Limit, Limits
from digest.store.lock import Hold, hold
from digest.store.papers import Papers, Stored
from digest.store.rates import Pace, Rates
from digest.store.readers import Readers
from digest.store.runs import Learned, Run, Runs
from digest.store.shelf import Said, Shelf
from digest.store.signups import Asked, Signups
from digest.store.sources import Facts, SourceRecord, Sources
from digest.store.subscribers import Subscribers, Sync, TokenOf, address, key_of
from digest.store.suppressions import Suppressions

__all__ = [
    "JOURNAL",
    "Asked",
    "Beginning",
    "Claim",
    "Hold",
    "Learned",
    "Letter",
    "Limit",
    "Opinions",
    "Outcome",
    "Pace",
    "Rates",
    "Run",
    "Said",
    "SourceRecord",
    "Store",
    "Stored",
    "Sync",
    "TokenOf",
    "address",
    "hold",
    "key_of",
    "open_store",
    "rehearsal",
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
        self.letters = Letters(database)
        self.limits = Limits(database)
        self.rates = Rates(database)
        self.shelf = Shelf(database)
        self.census = Census(database)

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
    rolled back. A database that does not exist yet rehearses as an empty one.
    """
    if sa.make_url(url).get_backend_name() == "postgresql":
        with _rolled_back(url, password) as database:
            yield Store(database, token_of)
        return
    with tempfile.TemporaryDirectory(prefix="digest-") as folder:
        copy = Path(folder) / "rehearsal.sqlite"
        _copy(sa.make_url(url).database or "", copy)
        store = open_store(f"sqlite:///{copy}", token_of)
        try:
            yield store
        finally:
            store.close()


def _copy(source: str, target: Path) -> None:
    if not Path(source).is_file():
        return
    uri = Path(source).absolute().as_uri() + "?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as origin, closing(sqlite3.connect(target)) as copy:
        origin.backup(copy)


@contextmanager
def _rolled_back(url: str, password: str) -> Iterator[Database]:
    engine = create_engine(url, password)
    try:
        with engine.connect() as connection, connection.begin() as transaction:
            yield _OneTransaction(engine, connection)
            transaction.rollback()
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
    def writing(self, alone_in: sa.Table | None = None) -> Iterator[sa.Connection]:  # noqa: ARG002 - hinders nobody
        with self._connection.begin_nested():
            yield self._connection
