"""The real things, built from settings: the parts of the corridor, the writer, the desk of the pages."""

from __future__ import annotations

import gc
import hmac
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from digest import pipeline, zones
from digest.compose import Links, Site, Writer, sentences, template_folder
from digest.compose.words import words as words_of
from digest.delivery import connect
from digest.delivery.mailbox import Mailbox
from digest.errors import SettingsError, SourceError
from digest.models import Pick
from digest.pipeline import Parts, Progress, Semantic, Turns, no_progress
from digest.settings import Settings, secret_keys
from digest.sources import Client, Limits, Pace, build, look_up
from digest.sources.http import Traffic
from digest.sources.pace import folder as pace_folder
from digest.sources.pace import machine_pace
from digest.store import Store, open_store, parse, rehearsal, told_plainly
from digest.store import roster as rosters
from digest.subscription.desk import Days, Desk, Seal

YOUNG = 20_000
"""Objects made before the collector looks for circles among them: a pass makes millions, and none in a circle. With
the usual 700, a fifth of choosing is looking."""
QUEUE = 120.0
"""Seconds that the queue for an upstream may be long. Whoever stands behind that came from a clock that was ahead."""
PATIENCE = 40
"""Texts that a page has time to embed: what one reader typed and likes, not the papers of a day."""


def system_clock() -> datetime:
    """The moment; read in entrances and handed down."""
    return datetime.now(UTC)


def clock_at(moment: datetime | None) -> Callable[[], datetime]:
    """A clock that stands at *moment*, for replays; the system's clock for None."""
    return system_clock if moment is None else lambda: moment


def links(settings: Settings, *, rehearse: bool = False) -> Links:
    """Signs and reads links. A rehearsal makes no key where there is none yet."""
    return Links(settings.public_url, signing_keys(settings, rehearse))


def database_url(settings: Settings) -> sa.URL:
    """The database, with its password and how soon to give a dead line up.

    Raises:
        SettingsError: it names no database that this program can use.
    """
    return parse(settings.resolved_database_url, settings.database_password)


def store(settings: Settings) -> Store:
    """The database, brought up to date."""
    return open_store(settings.resolved_database_url, token_maker(secret_keys(settings)), settings.database_password)


def mailbox(settings: Settings) -> Mailbox:
    """The local mailbox, to look into."""
    return Mailbox(settings.path(settings.mailbox))


def template_folders(settings: Settings) -> list[Path]:
    """Where templates are looked for: under `home`, then those that come with the program."""
    return [settings.home / "templates", template_folder()]


def site(settings: Settings) -> Site:
    """What mails and pages say of their sender."""
    return Site(
        sender=settings.sender,
        reply_to=settings.reply_to,
        postal_address=settings.postal_address,
        public_url=settings.public_url,
        web=settings.web,
        mail_domain=settings.mail_domain,
        thumbnails=settings.thumbnails,
    )


def writer(settings: Settings, signing: Links) -> Writer:
    """Writes mails."""
    return Writer(template_folders(settings), site(settings), signing)


def reason_text(pick: Pick, language: str = "en") -> str:
    """Why *pick* was chosen, in the words of the mail; empty where there is no reason."""
    return sentences.reason(pick.reasons, words_of(language))


def roster(settings: Settings, *, check: bool = True) -> pipeline.Roster | None:
    """The roster; None where there is no such file.

    Args:
        settings: the operator's.
        check: read it at once; else only if it turns out to be another than the store knows.

    Raises:
        SettingsError: with every mistake in it.
    """
    file = settings.path(settings.roster)
    if not file.exists():
        if "roster" in settings.model_fields_set:
            raise SettingsError(f"DIGEST_ROSTER: there is no file {file}")
        return None
    found = pipeline.Roster(rosters.fingerprint(file), lambda: rosters.read(file).profiles)
    if check:
        found.profiles  # noqa: B018 - reads it
    return found


def semantic(settings: Settings, *, keep: bool = True, most: int | None = None) -> Semantic | None:
    """The sentence-embedding model; None where none is named.

    Raises:
        SettingsError: it is not on this machine.
    """
    if not settings.semantic_model:
        return None
    from digest.ranking.model_files import locate  # noqa: PLC0415 - an optional extra
    from digest.ranking.semantic import Embedder  # noqa: PLC0415

    return Semantic(Embedder(locate(settings.semantic_model, settings.home)), keep, most)


@contextmanager
def opened(
    settings: Settings,
    clock: Callable[[], datetime] = system_clock,
    progress: Progress = no_progress,
    *,
    rehearse: bool = False,
    patience: int | None = None,
    stop: threading.Event | None = None,
) -> Iterator[Parts]:
    """The corridor's parts. In a rehearsal nothing that happens to the store stays.

    With *patience*, the semantic model embeds at most so many texts at once, and keeps none of them.

    Raises:
        SettingsError: something on which they stand is not set up.
        StoreError: the database fails in the block.
    """
    zones.use_newest()
    gc.set_threshold(YOUNG)
    with told_plainly(), ExitStack() as stack:
        model = semantic(settings, keep=not rehearse and patience is None, most=patience)
        token_of = token_maker(signing_keys(settings, rehearse))
        url, password = settings.resolved_database_url, settings.database_password
        if rehearse:
            opened_store = stack.enter_context(rehearsal(url, token_of, password))
        else:
            opened_store = open_store(url, token_of, password)
            stack.callback(opened_store.close)
        stop = stop or threading.Event()
        pace = partial(_pace, opened_store, machine_pace(pace_folder()), stop)
        client = stack.enter_context(Client(settings.contact, opened_store.sources, pace))
        yield Parts(
            settings=settings,
            store=opened_store,
            clock=clock,
            sources=build(settings),
            client=client,
            look_up=partial(look_up, settings),
            writer=writer(settings, links(settings, rehearse=rehearse)),
            transports=connect(settings),
            turns=Turns.from_settings(opened_store, settings),
            sign=signer(settings),
            owner=f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}",
            semantic=model,
            progress=progress,
            stop=stop,
        )


@contextmanager
def synchronised(settings: Settings) -> Iterator[Parts]:
    """The parts, after taking over the roster, so that nobody looks at old news."""
    people = roster(settings)
    with opened(settings) as parts:
        pipeline.synchronise(parts, people)
        yield parts


@contextmanager
def desk(settings: Settings, clock: Callable[[], datetime] = system_clock) -> Iterator[Desk]:
    """What readers' own steps need: for pages and for incoming mail."""
    keys = secret_keys(settings)
    with opened(settings, clock, patience=PATIENCE) as parts:
        yield Desk(
            parts=parts,
            links=links(settings),
            site=site(settings),
            seal=Seal(keys),
            tokens_of=lambda email_key: tuple(token_maker((key,))(email_key) for key in keys),
            template_folders=tuple(template_folders(settings)),
            days=Days(parts),
        )


def unreachable(settings: Settings, patience: float) -> str:
    """Why Hugging Face did not answer within about *patience* seconds; empty when it did."""
    limits = Limits(connect=patience, read=patience, total=patience, retries=0)
    try:
        with Client(settings.contact, limits=limits) as client:
            client.get(f"{settings.huggingface_url}/api/daily_papers?limit=1", traffic=Traffic())
    except SourceError as error:
        return str(error)
    return ""


def signer(settings: Settings) -> Callable[[bytes, datetime], bytes] | None:
    """Signs mails; None where the relay does.

    Raises:
        SettingsError: there is no key, or signing is not installed.
    """
    if not settings.dkim_domain:
        return None
    if not settings.dkim_key:
        raise SettingsError("DIGEST_DKIM_KEY: DIGEST_DKIM_DOMAIN is set, so there must be a key to sign with")
    try:
        from digest.delivery.dkim import Signer  # noqa: PLC0415 - an optional extra
    except ModuleNotFoundError as error:
        raise SettingsError("DIGEST_DKIM_DOMAIN: signing needs the extra: pip install 'digest[dkim]'") from error
    return Signer(settings.dkim_domain, settings.dkim_selector, settings.dkim_key.encode()).sign


def signing_keys(settings: Settings, rehearse: bool) -> tuple[str, ...]:
    """The keys that sign links; in a rehearsal a passing one where none was made yet."""
    if rehearse and not settings.secret_key and not (settings.home / "var" / "secret_key").exists():
        return (secrets.token_urlsafe(32),)
    return secret_keys(settings)


def token_maker(keys: tuple[str, ...]) -> Callable[[str], str]:
    """Opaque ids of new subscribers: the same for the same address and key, so that a rehearsal tells the truth."""

    def token_of(email_key: str) -> str:
        return hmac.digest(keys[0].encode(), f"subscriber\n{email_key}".encode(), "sha256")[:9].hex()

    return token_of


def _pace(opened_store: Store, on_this_machine: Pace, stop: threading.Event, key: str, interval: float) -> None:
    """Wait for the next place under a limit; in real time, also in replays.

    A rehearsal's store is a copy, so that its limit binds nobody; the machine's does.

    Raises:
        SourceError: there is no time left for it.
    """
    if stop.wait(opened_store.rates.reserve(key, interval, time.time(), horizon=QUEUE)):
        raise SourceError("not asked to the end, because the program was stopped")
    on_this_machine(key, interval)
