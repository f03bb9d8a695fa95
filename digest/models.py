"""The values that walk through the house: frozen, slotted, documented field by field.

A *listing* is one source showing one *paper* at one time, with its *signals*. A *candidate* is a paper with all its
listings and signals, as the ranking sees it. A *pick* is a candidate chosen for a *subscriber's* issue, and the
*digest* is the picks of one issue. A *delivery* is the record of a digest on its way.

Every datetime is aware and in UTC unless its field says otherwise. An issue is a local calendar day (`date`).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import date, datetime, time


@dataclass(frozen=True, slots=True)
class Paper:
    """One work, under one identity whatever the source."""

    id: str
    """Version-less arXiv id ("2602.01785", "math/0601001"), else DOI ("10.1101/2026.07.15.1"), else feed guid."""

    title: str
    """Readable text on one line: no LaTeX, no entities, no line breaks."""

    abstract: str = ""
    """Readable text; paragraphs are separated by a newline. Empty where the source gives none."""

    authors: tuple[str, ...] = ()
    """In the order of the byline, "Given Family"."""

    categories: tuple[str, ...] = ()
    """arXiv categories or the feed's own, the primary one first."""

    published: datetime | None = None
    """When the work was first submitted or published; not when it was listed."""

    doi: str = ""
    """Lower case, without a resolver's address; may be set beside an arXiv id."""

    tldr: str = ""
    """A summary of one or two sentences where a source offers one."""

    keywords: tuple[str, ...] = ()
    organization: str = ""
    url: str = ""
    """The page of the abstract."""

    pdf_url: str = ""
    code_url: str = ""
    project_url: str = ""
    huggingface_url: str = ""
    thumbnail_url: str = ""

    def __hash__(self) -> int:
        """Of the id alone: papers are keys of many caches, and two contents of one paper are rare."""
        return hash(self.id)


@dataclass(frozen=True, slots=True)
class Signal:
    """What the public thought of a paper at one moment. Several moments make a velocity."""

    at: datetime
    upvotes: int = 0
    comments: int = 0
    stars: int | None = None
    """GitHub stars of the paper's code; None where no repository is known."""


class ListingKind(enum.StrEnum):
    """How the source announced the paper."""

    NEW = "new"
    CROSS = "cross"
    """New to this category, first filed under another."""
    UPDATE = "update"
    """A new version of a known paper: not news."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One source showed one paper at one time."""

    source: str
    """The source's name: "huggingface", "arxiv", or the name of a feed."""

    paper: Paper
    listed_at: datetime
    """When the source listed it: the start of the source's day, or the entry's own time."""

    kind: ListingKind = ListingKind.NEW
    signal: Signal | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A paper as the ranking sees it: with where and when it was listed, and its readings."""

    paper: Paper
    listed_at: datetime
    """The latest listing that makes it news."""

    sources: tuple[str, ...]
    """Names of the sources that listed it, in the order in which they did."""

    signals: tuple[Signal, ...] = ()
    """All readings, oldest first; empty where no source gives signals."""

    first_seen: datetime | None = None
    """When the store first heard of it; None outside a store."""

    @property
    def signal(self) -> Signal | None:
        """The latest reading."""
        return self.signals[-1] if self.signals else None


@dataclass(frozen=True, slots=True)
class Topic:
    """A phrase that a subscriber follows."""

    phrase: str
    weight: float = 1.0
    """Multiplies this topic's relevance; 1 is normal, 0.1 to 10."""


@dataclass(frozen=True, slots=True)
class Interests:
    """What one subscriber wants to find, and what not."""

    topics: tuple[Topic, ...] = ()
    authors: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    liked: tuple[str, ...] = ()
    """Paper ids."""
    disliked: tuple[str, ...] = ()
    """Paper ids."""
    muted: tuple[str, ...] = ()
    """Words or phrases; a paper that has one in title or abstract is never picked."""
    muted_authors: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is anything to rank by; without, the reader gets what is trending."""
        return bool(self.topics or self.authors or self.categories or self.liked)


EVERY_DAY = frozenset(range(7))
WEEKDAYS = frozenset(range(5))


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a subscriber wants the digest, in their own time zone."""

    zone: str = "UTC"
    """IANA name."""
    at: time = time(7, 0)
    """Local wall-clock time, without a zone."""
    days: frozenset[int] = EVERY_DAY
    """Weekdays as in `date.weekday`: 0 is Monday."""


class SubscriberState(enum.StrEnum):
    """Only an active subscriber gets mail."""

    PENDING = "pending"
    """Signed up, not confirmed."""
    ACTIVE = "active"
    PAUSED = "paused"
    UNSUBSCRIBED = "unsubscribed"
    """By the reader's own wish: a roster that still names them changes nothing."""
    REMOVED = "removed"
    """By the operator: taken out of the roster or removed by command."""


class Origin(enum.StrEnum):
    """Who entered a subscriber, and so who may change the row."""

    FILE = "file"
    WEB = "web"
    OPERATOR = "operator"
    """By `digest subscribers add` or `import`."""


class WhenQuiet(enum.StrEnum):
    """What a reader with interests wants on a day on which no new paper matches them."""

    TRENDING = "trending"
    """What others read."""
    NOTE = "note"
    """Nothing; and a short note when that lasts."""
    SILENCE = "silence"
    """Nothing at all."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What is known of a person before they are in the store: a roster entry or a filled-in form."""

    email: str
    name: str = ""
    interests: Interests = field(default_factory=Interests)
    schedule: Schedule = field(default_factory=Schedule)
    papers: int = 12
    """At most so many papers in a digest."""
    language: str = "en"
    when_quiet: WhenQuiet = WhenQuiet.TRENDING
    again: bool = False
    """Whether a paper that was sent may come once more when it trends."""


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A person with interests and a schedule, as stored."""

    id: int
    token: str
    """Opaque public id, the only name of a subscriber that appears in links and headers."""
    profile: Profile
    state: SubscriberState
    origin: Origin
    next_due_at: datetime | None = None
    """When the next issue is due; None while nothing is to be sent."""
    last_issue: date | None = None
    """The local day of the last issue planned."""
    paused_until: date | None = None

    @property
    def email(self) -> str:
        """Where the digest goes."""
        return self.profile.email

    @property
    def interests(self) -> Interests:
        """What they want to find."""
        return self.profile.interests

    @property
    def schedule(self) -> Schedule:
        """When they want it."""
        return self.profile.schedule


class Section(enum.StrEnum):
    """The parts of a digest."""

    FOR_YOU = "for_you"
    TRENDING = "trending"
    QUIETER = "quieter"
    """Runners-up, as one-liners."""


class ReasonKind(enum.StrEnum):
    """Which term of the score a reason speaks of."""

    TOPIC = "topic"
    LIKED = "liked"
    AUTHOR = "author"
    CATEGORY = "category"
    TRENDING = "trending"
    """High in upvotes for its age."""
    RISING = "rising"
    """Gaining upvotes faster than its peers."""
    SEEN = "seen"
    """Was in an earlier issue and is trending now."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that raised the score of a pick, computed from the score's own terms; no prose in here."""

    kind: ReasonKind
    subject: str = ""
    """The topic's phrase, the author's name, the category, or the liked paper's title."""
    terms: tuple[str, ...] = ()
    """The words of the paper that matched, as written in it, strongest first; for the mail to mark."""
    value: float = 0.0
    """This term's share of the score, 0..1."""
    upvotes: int = 0
    percentile: float = 0.0
    """Where the upvotes (or their velocity) stand among the day's papers, 0..100; 97 means top 3 %."""
    day: date | None = None
    """For SEEN: the issue it was in."""


@dataclass(frozen=True, slots=True)
class Pick:
    """A paper chosen for an issue, and why."""

    paper: Paper
    score: float
    """Comparable within one digest only; higher is better."""
    section: Section
    reasons: tuple[Reason, ...]
    """What raised the score, strongest first."""
    listed_at: datetime
    sources: tuple[str, ...]
    signal: Signal | None = None
    """The reading at the moment of choosing, frozen with the pick."""


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """How one source fared, for the digest's status line and the operator."""

    source: str
    papers: int = 0
    """News it brought since the last issue."""
    failure: str = ""
    """Why it could not be read, or not to the end; empty when all is well."""
    failing_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Digest:
    """What one subscriber receives: everything that decides the bytes of the message."""

    subscriber: Subscriber
    issue: date
    planned_at: datetime
    """Goes into the Date header."""
    picks: tuple[Pick, ...]
    """In the order of the mail, section by section."""
    considered: int = 0
    """From how many papers these were chosen."""
    sources: tuple[SourceStatus, ...] = ()
    since: date | None = None
    """The day of the last issue when more than the usual interval lies between; None otherwise.

    Without picks: since when there was nothing, on the day when the reader is told so.
    """

    @property
    def worth_mailing(self) -> bool:
        """Whether there is something to say."""
        return bool(self.picks or self.since)


class DeliveryState(enum.StrEnum):
    """Where a delivery is on its way. The last six are final."""

    PLANNED = "planned"
    CLAIMED = "claimed"
    """A worker has it, until its lease ends."""
    IN_DATA = "in_data"
    """Committed before the first byte of the body: after a crash it may have been delivered."""
    DEFERRED = "deferred"
    """To be tried again at `ready_at`."""
    UNKNOWN = "unknown"
    """Perhaps delivered: the process or the connection died inside the body."""
    SENT = "sent"
    FAILED = "failed"
    EXPIRED = "expired"
    """Superseded: too old to be worth sending."""
    SUPPRESSED = "suppressed"
    """The address must not be written to."""
    CANCELLED = "cancelled"
    """The subscriber left or paused between planning and sending, or the operator gave it up."""
    EMPTY = "empty"
    """There was nothing worth mailing on that day; recorded so that the day is done."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """The record of one digest on its way."""

    id: int
    subscriber_id: int
    issue: date
    state: DeliveryState
    planned_at: datetime
    attempts: int = 0
    ready_at: datetime | None = None
    """When it may next be claimed: lease, back-off and delay at once; None in final states."""
    sent_at: datetime | None = None
    message_id: str = ""
    reply: str = ""
    """The last answer of the next hop, or the reason for the state."""
    sha256: str = ""
    """Of the message's bytes at the first attempt; a later one must write the same."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message ready for the next hop."""

    sender: str
    """Envelope sender (MAIL FROM)."""
    recipient: str
    """Envelope recipient (RCPT TO)."""
    data: bytes
    """Header and body with CRLF line ends, not dot-stuffed."""
