"""This machine: database, secret key, disk, templates, roster, semantic model, operator, what is seen from outside."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from digest import app
from digest.delivery.relay import is_loopback
from digest.doctor.finding import Finding
from digest.errors import DigestError, SettingsError
from digest.models import (
    Digest,
    Origin,
    Paper,
    Pick,
    Profile,
    Reason,
    ReasonKind,
    Section,
    Subscriber,
    SubscriberState,
)
from digest.settings import Settings
from digest.store import JOURNAL
from digest.store.engine import explained, is_current, parse

PATIENCE = 5
"""Seconds for a database server or a port."""

LARGE = 500_000_000
"""Bytes of a database file whose every page is not read for a check."""


# -- database


def database(settings: Settings) -> Iterator[Finding]:
    """Whether it opens, is whole, has today's schema, and keeps its journal safely."""
    try:
        url = parse(settings.resolved_database_url, settings.database_password)
        if url.get_backend_name() == "sqlite":
            yield from _sqlite(Path(url.database or ""))
        else:
            yield from _postgresql(url)
    except SettingsError as error:
        yield Finding.fail("database", str(error), "mend DIGEST_DATABASE_URL, or start the server")


def _sqlite(file: Path) -> Iterator[Finding]:
    if not file.exists():
        folder = _existing(file.parent)
        if os.access(folder, os.W_OK):
            yield Finding.ok("database", f"{file} will be made on the first run")
        else:
            yield Finding.fail("database", f"{file} cannot be made", f"let this user write in {folder}")
        return
    if not os.access(file, os.W_OK) or not os.access(file.parent, os.W_OK):
        yield Finding.fail("database", f"{file} cannot be written", f"let this user write {file} and its folder")
        return
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=PATIENCE)) as connection:
            yield _whole(file, connection)
            yield _journal(connection)
    except sqlite3.Error as error:
        yield Finding.fail("database", f"{file} cannot be read: {error}", "restore it from a backup")


def _whole(file: Path, connection: sqlite3.Connection) -> Finding:
    if file.stat().st_size <= LARGE:
        said = connection.execute("PRAGMA quick_check(3)").fetchall()
        if said != [("ok",)]:
            found = "; ".join(str(row[0]) for row in said)
            return Finding.fail("database", f"{file} is damaged: {found}", "restore it from a backup")
    engine = sa.create_engine("sqlite://", creator=lambda: connection)
    with engine.connect() as opened:
        current = is_current(opened)
    return Finding.ok("database", f"{file} opens" + ("" if current else "; the next run brings its schema up to date"))


def _journal(connection: sqlite3.Connection) -> Finding:
    mode = str(connection.execute("PRAGMA journal_mode").fetchone()[0]).upper()
    if mode == "WAL" and JOURNAL != "WAL":
        return Finding.warn(
            "journal",
            f"WAL with SQLite {sqlite3.sqlite_version}, whose checkpoints can corrupt the file (mended in 3.51.3)",
            "run any digest command that writes, which switches to TRUNCATE; or use a newer SQLite",
        )
    return Finding.ok("journal", f"{JOURNAL} with SQLite {sqlite3.sqlite_version}")


def _postgresql(url: sa.URL) -> Iterator[Finding]:
    try:
        engine = sa.create_engine(url.update_query_dict({"connect_timeout": str(PATIENCE)}))
    except ModuleNotFoundError as error:
        raise SettingsError("PostgreSQL needs the extra: pip install 'digest[cluster]'") from error
    try:
        with explained(engine), engine.connect() as connection:
            version = connection.exec_driver_sql("SHOW server_version").scalar()
            current = is_current(connection)
    finally:
        engine.dispose()
    schema = "" if current else "; the next run brings its schema up to date"
    yield Finding.ok("database", f"PostgreSQL {version} answers{schema}")


# -- files


SHORT, LONG = 16, 32
"""Letters of a secret key that is too short, and of one that is long enough."""


def secret_key(settings: Settings) -> Iterator[Finding]:
    """Whether links can be forged by guessing, or by reading a file."""
    file = settings.home / "var" / "secret_key"
    keys: tuple[str, ...] = settings.secret_key
    if not keys:
        if not file.exists():
            yield Finding.ok("secret key", f"will be made in {file} on the first run")
            return
        keys = (file.read_text().strip(),)
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            yield Finding.fail("secret key", f"{file} can be read by other users", f"chmod 600 {file}")
            return
    advice = "make one: python -c 'import secrets; print(secrets.token_urlsafe(32))'; keep the old one behind it"
    if len(keys[0]) < SHORT or len(set(keys[0])) < SHORT // 2:
        yield Finding.fail("secret key", "can be guessed, and with it every link", advice)
    elif len(keys[0]) < LONG:
        yield Finding.warn("secret key", f"has only {len(keys[0])} letters", advice)
    else:
        yield Finding.ok("secret key", "long enough")


FULL, NEARLY_FULL = 100_000_000, 1_000_000_000


def disk(settings: Settings) -> Iterator[Finding]:
    """Whether there is room for tomorrow."""
    folder = _existing(settings.home / "var")
    free, files = shutil.disk_usage(folder).free, os.statvfs(folder)
    said = f"{free / 1e9:.1f} GB free at {folder.absolute()}"
    if files.f_files and files.f_favail < 1000:
        yield Finding.fail("disk", f"no room for more files at {folder.absolute()}", "delete files, or move `home`")
    elif free < FULL:
        yield Finding.fail("disk", said, "make room, or move `home`")
    elif free < NEARLY_FULL:
        yield Finding.warn("disk", said, "make room before it is full")
    else:
        yield Finding.ok("disk", said)


def _existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder


def roster(settings: Settings) -> Iterator[Finding]:
    """Whether the file would be taken over."""
    try:
        found = app.roster(settings)
    except SettingsError as error:
        yield from (Finding.fail("roster", problem, "mend the file") for problem in error.problems)
        return
    if found is None:
        yield Finding.ok("roster", f"none at {settings.path(settings.roster)}")
    else:
        yield Finding.ok("roster", f"{len(found.profiles)} people in {settings.path(settings.roster)}")


def templates(settings: Settings, now: datetime) -> Iterator[Finding]:
    """Whether every mail can be written, with the templates under `home`."""
    try:
        writer = app.writer(settings, app.links(settings, rehearse=True))
        sample = _sample(now)
        writer.write(sample)
        writer.mail("confirm", sample.subscriber, at=now)
        writer.mail("preferences", sample.subscriber, at=now)
        writer.mail("welcome", sample.subscriber, at=now, first="", topics="")
        writer.mail("goodbye", sample.subscriber, at=now)
        writer.mail("alert", "operator@example.org", at=now, headline="", problems=())
    except DigestError as error:
        yield Finding.fail("templates", str(error), f"mend it under {settings.home / 'templates'}, or delete it there")
    else:
        yield Finding.ok("templates", "every mail can be written")


def _sample(now: datetime) -> Digest:
    paper = Paper("2602.00001", "A paper that does not exist", "We invent a paper.", ("Ada Example",), ("cs.CL",))
    reason = Reason(ReasonKind.TOPIC, "invented papers", ("invent",), 0.9)
    pick = Pick(paper, 0.9, Section.FOR_YOU, (reason,), now, ("arxiv",))
    person = Subscriber(0, "token", Profile("ada@example.org", "Ada"), SubscriberState.ACTIVE, Origin.FILE)
    return Digest(person, now.date(), now, (pick,), considered=1)


def semantic(settings: Settings) -> Iterator[Finding]:
    """Whether the sentence-embedding model is there and can read."""
    try:
        found = app.semantic(settings)
        if found is None:
            yield Finding.ok("semantic model", "none: papers are chosen by their words")
            return
        dimensions = found.embedder.embed(["A paper that does not exist"]).shape[1]
    except SettingsError as error:
        yield Finding.fail("semantic model", str(error), "mend DIGEST_SEMANTIC_MODEL, or leave it out")
    else:
        yield Finding.ok("semantic model", f"{settings.semantic_model} gives vectors of {dimensions} numbers")


# -- seen from outside


def web(settings: Settings) -> Iterator[Finding]:
    """Whether mailboxes can show their own unsubscribe button."""
    if not settings.web:
        yield Finding.ok("web", "no pages: mails hold no links to any")
    elif settings.public_url.startswith("https:"):
        yield Finding.ok("web", f"links begin with {settings.public_url}")
    else:
        text = f"{settings.public_url} is not https, so that mails carry no one-click unsubscribe (RFC 8058)"
        yield Finding.warn("web", text, "put a web server with a certificate in front, and set DIGEST_PUBLIC_URL")


def operator(settings: Settings) -> Iterator[Finding]:
    """Whether anybody hears of tomorrow's trouble."""
    if settings.operator or settings.ping_url:
        told = " and ".join(filter(None, (settings.operator, "a monitor" if settings.ping_url else "")))
        yield Finding.ok("operator", f"trouble is told to {told}")
    else:
        text = "trouble is told to nobody"
        yield Finding.warn("operator", text, "set DIGEST_OPERATOR to an address, or DIGEST_PING_URL, or both")


def inbound(settings: Settings) -> Iterator[Finding]:
    """Whether bounces find somebody at home."""
    if not settings.mail_domain:
        text = "no mail domain: bounces and unsubscribe mail go to the sender's own mailbox"
        yield Finding.ok("incoming mail", text)
        return
    where = f"{settings.inbound_host}:{settings.inbound_port}"
    if not is_loopback(settings.inbound_host):
        text = f"{where} can be reached from outside, without TLS and without a mail server before it"
        yield Finding.warn("incoming mail", text, "set DIGEST_INBOUND_HOST=127.0.0.1, or close the port to others")
    try:
        socket.create_connection((settings.inbound_host, settings.inbound_port), PATIENCE).close()
    except OSError as error:
        text = f"nobody takes mail at {where}: {error.strerror or error}"
        yield Finding.warn("incoming mail", text, "start `digest serve`")
    else:
        yield Finding.ok("incoming mail", f"{where} answers")
