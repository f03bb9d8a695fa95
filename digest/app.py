"""Builds real things from settings; the only place that does.

`opened` gives the corridor its parts. The other functions are what the entrances ask for: a pass, a preview, a status.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import structlog

from digest import pipeline, ranking
from digest.compose import Links, Site, Writer, Written, sentences, template_folder
from digest.compose.words import words as words_of
from digest.delivery import connect
from digest.delivery.mailbox import Mailbox
from digest.due import local_day
from digest.errors import SettingsError, SourceError, UsageError
from digest.models import Delivery, DeliveryState, Digest, Pick, Subscriber, SubscriberState
from digest.pipeline import Parts, Progress, Report, Turns, Worked, no_progress
from digest.ranking import Explanation as Explanation  # noqa: PLC0414 - for the entrances
from digest.ranking import Verdict
from digest.settings import Settings, secret_keys
from digest.sources import Client, Limits, Pace, build, look_up
from digest.sources.http import Traffic
from digest.sources.pace import folder as pace_folder
from digest.sources.pace import machine_pace
from digest.store import JOURNAL, Held, Hold, Store, copy, hold, key_of, open_store, rehearsal
from digest.store import roster as rosters
from digest.store import upgrade as upgrade_database
from digest.subscription.desk import Days, Desk, Seal

log = structlog.get_logger(__name__)

Crew = Callable[[datetime, Held], Iterable[Worked]]
"""Processes that choose and send, at that moment, while the lock is held; yields what each of them did."""


def system_clock() -> datetime:
    """The moment; read in entrances and handed down."""
    return datetime.now(UTC)


def clock_at(moment: datetime | None) -> Callable[[], datetime]:
    """A clock that stands at *moment*, for replays; the system's clock for None."""
    return system_clock if moment is None else lambda: moment


def links(settings: Settings, *, rehearse: bool = False) -> Links:
    """Signs and reads links. A rehearsal makes no key where there is none yet."""
    return Links(settings.public_url, _keys(settings, rehearse))


def store(settings: Settings) -> Store:
    """The database, brought up to date."""
    return open_store(settings.resolved_database_url, _token_of(secret_keys(settings)), settings.database_password)


def mailbox(settings: Settings) -> Mailbox:
    """The local mailbox, to look into."""
    return Mailbox(settings.path(settings.mailbox))


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


@contextmanager
def desk(settings: Settings, clock: Callable[[], datetime] = system_clock) -> Iterator[Desk]:
    """What readers' own steps need: for pages and for incoming mail."""
    keys = secret_keys(settings)
    with opened(settings, clock) as parts:
        yield Desk(
            parts=parts,
            links=links(settings),
            site=site(settings),
            seal=Seal(keys),
            tokens_of=lambda email_key: tuple(_token_of((key,))(email_key) for key in keys),
            template_folders=tuple(template_folders(settings)),
            days=Days(parts),
        )


def template_folders(settings: Settings) -> list[Path]:
    """Where templates are looked for: under `home`, then those that come with the program."""
    return [settings.home / "templates", template_folder()]


def reason_text(pick: Pick, language: str = "en") -> str:
    """Why *pick* was chosen, in the words of the mail; empty where there is no reason."""
    return sentences.reason(pick.reasons, words_of(language))


def roster(settings: Settings) -> pipeline.Roster | None:
    """The checked roster; None where there is no such file.

    Raises:
        SettingsError: with every mistake in it.
    """
    file = settings.path(settings.roster)
    if not file.exists():
        if "roster" in settings.model_fields_set:
            raise SettingsError(f"DIGEST_ROSTER: there is no file {file}")
        return None
    read = rosters.read(file)
    return pipeline.Roster(read.profiles, hashlib.sha256(file.read_bytes()).hexdigest())


@contextmanager
def opened(
    settings: Settings,
    clock: Callable[[], datetime] = system_clock,
    progress: Progress = no_progress,
    *,
    rehearse: bool = False,
    stop: threading.Event | None = None,
) -> Iterator[Parts]:
    """The corridor's parts. In a rehearsal nothing that happens to the store stays."""
    with ExitStack() as stack:
        token_of = _token_of(_keys(settings, rehearse))
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
            sign=_signer(settings),
            owner=f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}",
            progress=progress,
            stop=stop,
        )


def run_once(
    settings: Settings,
    clock: Callable[[], datetime] = system_clock,
    progress: Progress = no_progress,
    *,
    dry_run: bool = False,
    crew: Crew | None = None,
) -> Report:
    """One pass, as cron makes it; a dry one does everything but send, on a copy of the store.

    A *crew* chooses and sends in our place.
    """
    people = roster(settings)
    if dry_run:
        with opened(settings, clock, progress, rehearse=True) as parts:
            return pipeline.run(parts, people, alone=True, send=False)
    return run_for(settings, people, clock, progress, crew=crew)


def run_for(
    settings: Settings,
    people: pipeline.Roster | None,
    clock: Callable[[], datetime] = system_clock,
    progress: Progress = no_progress,
    stop: threading.Event | None = None,
    crew: Crew | None = None,
) -> Report:
    """One pass for a roster that was read before; the operator hears of it when something is wrong.

    Args:
        settings: the operator's.
        people: the roster; None where there is none.
        clock: the time.
        progress: who watches.
        stop: set by somebody to end the pass early.
        crew: chooses and sends in our place.
    """
    with hold(settings.resolved_database_url) as held:
        if held.hold is Hold.TAKEN:
            return Report(clock(), taken=True)
        with opened(settings, clock, progress, stop=stop) as parts:
            hands = partial(crew, parts.clock(), held) if crew else None
            report = pipeline.run(parts, people, alone=held.hold is Hold.ALONE, crew=hands)
            if not parts.stop.is_set():
                pipeline.alert(parts, pipeline.troubles(parts, report))
                pipeline.tidy(parts)
    if settings.ping_url and not report.failed:
        _ping(settings.ping_url, settings.contact)
    return report


def alert(settings: Settings, cause: str, text: str) -> None:
    """Tell the operator of something that no pass could find, because it kept the pass from beginning."""
    with opened(settings) as parts:
        pipeline.alert(parts, {cause: text})


@dataclass(frozen=True, slots=True)
class Preview:
    """The message that would go, or that went."""

    digest: Digest
    written: Written
    delivery: Delivery | None
    """Set when this issue is planned or sent already: then this is that very message."""


def preview(
    settings: Settings,
    email: str | None,
    clock: Callable[[], datetime] = system_clock,
    progress: Progress = no_progress,
) -> Preview:
    """Exactly the message that a pass would send to *email* (the first subscriber for None), with no side effect.

    Raises:
        UsageError: nobody has that address, or there is nothing to show.
    """
    digest, delivery = picked(settings, email, clock, progress)
    return Preview(digest, writer(settings, links(settings, rehearse=True)).write(digest), delivery)


def picked(
    settings: Settings,
    email: str | None,
    clock: Callable[[], datetime] = system_clock,
    progress: Progress = no_progress,
) -> tuple[Digest, Delivery | None]:
    """What a preview shows, before it is written; raises what `preview` does."""
    with _rehearsed_day(settings, email, clock, progress) as (parts, person, issue):
        found = parts.store.deliveries.find(person.id, issue)
        if found and found[1]:
            return found[1], found[0]
        digest = pipeline.digest_for(pipeline.read_day(parts), person, issue)
    if not digest.worth_mailing:
        raise UsageError(f"there is nothing for {person.email} on {issue}: no mail would go out")
    return digest, None


def why(
    settings: Settings,
    email: str,
    paper_id: str,
    clock: Callable[[], datetime] = system_clock,
    progress: Progress = no_progress,
) -> Explanation:
    """How a paper scores for a reader, term by term, and why it is picked or not.

    Raises:
        UsageError: the reader or the paper is not known.
    """
    with _rehearsed_day(settings, email, clock, progress) as (parts, person, _):
        reading = pipeline.read_day(parts)
        window = pipeline.window_of(person, reading.now)
        reader = reading.readers([person], window)[0]
        explanation = ranking.explain(reading.pool(window), reader, paper_id)
        if explanation.verdict is Verdict.UNKNOWN:
            known = parts.store.papers.by_id([paper_id])
            what = "was listed too long ago to be considered" if known else "is not known here"
            raise UsageError(f"paper {paper_id} {what}")
        return explanation


def status(settings: Settings, clock: Callable[[], datetime] = system_clock) -> dict[str, Any]:
    """How things stand, as JSON values; looks at a copy, so that looking migrates and changes nothing."""
    with opened(settings, clock, rehearse=True) as parts:
        last, due = parts.store.runs.latest(), parts.store.subscribers.next_due_at()
        return {
            "sources": {name: _plain(record) for name, record in parts.store.sources.records().items()},
            "last_run": f"{last.finished_at:%Y-%m-%d %H:%M} UTC: {last.report['line']}" if last else None,
            "last_report": last.report if last else None,
            "deliveries": parts.store.deliveries.counts(),
            "returned": parts.store.bounces.counts(parts.clock() - timedelta(days=30)),
            "suppressed": parts.store.suppressions.count(),
            "subscribers": parts.store.subscribers.counts(),
            "next_due_at": due.isoformat() if due else None,
            "roster": _roster_status(settings, parts),
            "store": {
                "database": str(sa.make_url(settings.resolved_database_url)),
                "papers": parts.store.papers.count(),
                "sizes": parts.store.attic.sizes(),
                **({"journal": JOURNAL} if settings.resolved_database_url.startswith("sqlite") else {}),
            },
        }


def upgrade(settings: Settings) -> tuple[str, str]:
    """Bring the database's schema up to date; its revision before ("" for a new one) and now."""
    return upgrade_database(settings.resolved_database_url, settings.database_password)


def copy_database(settings: Settings, source: str, target: str, progress: Progress = no_progress) -> dict[str, int]:
    """Copy all of *source* into the empty database *target*; how many rows of each table.

    Raises:
        UsageError: *target* is not empty.
    """
    return copy(source, target, settings.database_password, progress)


def people(settings: Settings) -> list[dict[str, Any]]:
    """Everybody, as JSON values, after taking over the roster."""
    with _synchronised(settings) as parts:
        return [
            {
                "email": p.email,
                "name": p.profile.name,
                "state": p.state.value,
                "origin": p.origin.value,
                "next_due_at": p.next_due_at.isoformat() if p.next_due_at else None,
                "last_issue": p.last_issue.isoformat() if p.last_issue else None,
                "interests": "; ".join(
                    [*(t.phrase for t in p.interests.topics), *p.interests.authors, *p.interests.categories]
                ),
            }
            for p in parts.store.subscribers.everyone()
        ]


def add_person(settings: Settings, entry: dict[str, Any]) -> bool:
    """Enter or change the person of one roster *entry*; True when they are new."""
    try:
        profile = rosters.entry(entry)
    except SettingsError as error:
        raise UsageError(str(error)) from error
    with _synchronised(settings) as parts:
        return parts.store.subscribers.add(profile, parts.clock())


def import_people(settings: Settings, file: Path) -> tuple[int, int]:
    """Enter everybody in a roster-like *file*, all or nobody; how many are new, and how many were known."""
    profiles = rosters.read(file).profiles
    with _synchronised(settings) as parts:
        new = parts.store.subscribers.add_all(profiles, parts.clock())
    return new, len(profiles) - new


def export_people(settings: Settings) -> str:
    """Everybody who is active or paused, in the form of a roster."""
    kept = {SubscriberState.ACTIVE, SubscriberState.PAUSED}
    with _synchronised(settings) as parts:
        return rosters.dump([p.profile for p in parts.store.subscribers.everyone() if p.state in kept])


def set_state(settings: Settings, email: str, state: str, until: date | None = None) -> Subscriber:
    """Pause, resume or remove somebody."""
    with _synchronised(settings) as parts:
        return parts.store.subscribers.set_state(email, SubscriberState(state), parts.clock(), until)


def remove_person(settings: Settings, email: str) -> None:
    """Stop sending to somebody.

    Raises:
        UsageError: they stand in the roster, which would bring them back.
    """
    read = rosters.read(file) if (file := settings.path(settings.roster)).exists() else None
    line = read.lines.get(email.casefold()) if read else None
    if line:
        raise UsageError(f"{email} stands in {file} on line {line}; delete the entry there")
    set_state(settings, email, "removed")


def allow_person(settings: Settings, email: str) -> None:
    """Write to an address again that was given up because mail came back.

    Raises:
        UsageError: it was not given up for that; what a reader asked for themselves stands.
    """
    key = key_of(email)
    with opened(settings) as parts:
        person = parts.store.subscribers.get(email)
        tokens = [_token_of((each,))(key) for each in secret_keys(settings)] + ([person.token] if person else [])
        if not parts.store.suppressions.lift(tokens, pipeline.GIVEN_UP):
            raise UsageError(f"{email} was not given up because of bounces")
        if person:
            parts.store.bounces.clear(person.token)
        if person and person.state is SubscriberState.ACTIVE:
            parts.store.subscribers.set_state(email, person.state, parts.clock())


def outbox(settings: Settings, limit: int, state: str | None) -> list[dict[str, Any]]:
    """The latest deliveries as JSON values."""
    with opened(settings, rehearse=True) as parts:
        wanted = DeliveryState(state) if state else None
        found = parts.store.deliveries.recent(limit, wanted)
        return [_plain(delivery) | {"email": email} for delivery, email in found]


def digests(settings: Settings, limit: int = 50) -> list[tuple[Digest, Delivery]]:
    """The latest digests that are still kept, and what became of them, newest first."""
    with opened(settings, rehearse=True) as parts:
        deliveries = parts.store.deliveries
        found = (deliveries.find(each.subscriber_id, each.issue) for each, _ in deliveries.recent(limit))
        return [(digest, delivery) for delivery, digest in filter(None, found) if digest]


def unreachable(settings: Settings, patience: float) -> str:
    """Why Hugging Face did not answer within about *patience* seconds; empty when it did."""
    limits = Limits(connect=patience, read=patience, total=patience, retries=0)
    try:
        with Client(settings.contact, limits=limits) as client:
            client.get(f"{settings.huggingface_url}/api/daily_papers?limit=1", traffic=Traffic())
    except SourceError as error:
        return str(error)
    return ""


def settle(settings: Settings, ids: Sequence[int], state: str) -> int:
    """Have deliveries sent again, or say what became of them; how many that applied to."""
    with opened(settings) as parts:
        return parts.store.deliveries.settle(ids, DeliveryState(state), parts.clock())


def _plain(value: Any) -> dict[str, Any]:
    return {
        name: item.isoformat() if isinstance(item, date) else item for name, item in dataclasses.asdict(value).items()
    }


def _roster_status(settings: Settings, parts: Parts) -> list[str]:
    """What a pass would make of the roster."""
    found = roster(settings)
    if found is None:
        return [f"no file {settings.path(settings.roster)}"]
    sync = parts.store.subscribers.sync(found.profiles, parts.clock())
    lines = [f"{len(found.profiles)} people in {settings.path(settings.roster)}"]
    for words, addresses in (
        ("not taken over yet", (*sync.added, *sync.changed)),
        ("no longer in it", sync.removed),
        ("unsubscribed, though it still names them", sync.left),
        ("signed up on the web, entry ignored", sync.elsewhere),
    ):
        if addresses:
            lines.append(f"{words}: {', '.join(addresses)}")
    return lines


@contextmanager
def _synchronised(settings: Settings) -> Iterator[Parts]:
    """The parts, after taking over the roster, so that nobody looks at old news."""
    people = roster(settings)
    with opened(settings) as parts:
        pipeline.synchronise(parts, people)
        yield parts


@contextmanager
def _rehearsed_day(
    settings: Settings, email: str | None, clock: Callable[[], datetime], progress: Progress
) -> Iterator[tuple[Parts, Subscriber, date]]:
    """A copy of the store after today's pull, and whom to look at in it, and their issue."""
    everybody = roster(settings)
    with opened(settings, clock, progress, rehearse=True) as parts:
        pipeline.synchronise(parts, everybody)
        person, issue = _person(parts, email)  # before the pull: nobody waits for it to hear of a typing mistake
        pipeline.pull(parts)
        yield parts, person, issue


def _person(parts: Parts, email: str | None) -> tuple[Subscriber, date]:
    """Somebody, and the issue that a preview shows them."""
    if email is None:
        person = next(iter(parts.store.subscribers.everyone()), None)
        if person is None:
            raise UsageError("nobody subscribes yet; put somebody into subscribers.yaml")
    else:
        person = parts.store.subscribers.get(email)
        if person is None:
            raise UsageError(f"nobody with the address {email!r}; `digest subscribers list` shows who there is")
    return person, local_day(person.schedule, parts.clock())


def _signer(settings: Settings) -> Callable[[bytes, datetime], bytes] | None:
    if not settings.dkim_domain:
        return None
    if not settings.dkim_key:
        raise SettingsError("DIGEST_DKIM_KEY: DIGEST_DKIM_DOMAIN is set, so there must be a key to sign with")
    try:
        from digest.delivery.dkim import Signer  # noqa: PLC0415 - an optional extra
    except ModuleNotFoundError as error:
        raise SettingsError("DIGEST_DKIM_DOMAIN: signing needs the extra: pip install 'digest[dkim]'") from error
    return Signer(settings.dkim_domain, settings.dkim_selector, settings.dkim_key.encode()).sign


def _keys(settings: Settings, rehearse: bool) -> tuple[str, ...]:
    if rehearse and not settings.secret_key and not (settings.home / "var" / "secret_key").exists():
        return (secrets.token_urlsafe(32),)
    return secret_keys(settings)


def _token_of(keys: tuple[str, ...]) -> Callable[[str], str]:
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
    if stop.wait(opened_store.rates.reserve(key, interval, time.time())):
        raise SourceError("not asked to the end, because the program was stopped")
    on_this_machine(key, interval)


def _ping(url: str, contact: str) -> None:
    """Show a sign of life; that it was not seen concerns only whoever watches."""
    try:
        with Client(contact, limits=Limits(connect=5, read=5, total=10, retries=0)) as client:
            client.get(url, traffic=Traffic(), remembered=False)
    except SourceError as error:
        log.warning("ping failed", reason=str(error))
