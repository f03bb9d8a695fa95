"""subscribers.yaml: who gets a digest, checked as a whole, every mistake with its line and column.

Scalars are read as YAML 1.2 does (core schema): `at: 12:30` is a time and not 750, `no` is a word and not false.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import time
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from digest.errors import SettingsError, UsageError
from digest.models import EVERY_DAY, WEEKDAYS, Interests, Profile, Schedule, Topic, WhenQuiet
from digest.store.person import address, key_of
from digest.store.yaml12 import Dumper, Loader, repeated_keys

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise ValueError(f"unknown time zone {name!r}; use an IANA name such as Europe/Berlin") from None
    return name


def _at(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("must be a time of day such as 07:00")  # noqa: TRY004 - pydantic reports ValueError
    try:
        hour, minute = value.split(":")
        return time(int(hour), int(minute))
    except ValueError:
        raise ValueError(f"must be a time of day such as 07:00, not {value!r}") from None


def _days(value: object) -> object:
    if value == "daily":
        return EVERY_DAY
    if value == "weekdays":
        return WEEKDAYS
    if not isinstance(value, list) or not value or any(day not in DAYS for day in value):
        raise ValueError("must be daily, weekdays, or a list such as [mon, thu]")
    return frozenset(DAYS.index(day) for day in value)


def _address(text: str) -> str:
    try:
        return address(text)
    except UsageError as error:
        raise ValueError(str(error)) from None


def _topic(value: object) -> object:
    return {"topic": value} if isinstance(value, str) else value


def _line(text: str) -> str:
    text = " ".join(text.split())
    if not text:
        raise ValueError("must not be empty")
    return text


_ARXIV = re.compile(
    r"(?:(?:https?://)?(?:[a-z]+\.)?(?:arxiv\.org/(?:abs|pdf|html)|huggingface\.co/papers)/|arxiv:)?"
    r"(?:(\d{4}\.\d{4,5})|([a-z-]+)(?:\.[a-z]{2})?(/\d{7}))(?:v\d+)?(?:\.pdf)?",
    re.IGNORECASE,
)
_DOI = re.compile(r"(?:(?:https?://)?(?:dx\.)?doi\.org/|doi:)?(10\.\d{4,9}/\S+)", re.IGNORECASE)


def _paper_id(value: object) -> object:
    """Ids with a version or an address around them are meant as the paper."""
    if isinstance(value, float | int):
        raise ValueError('must stand in quotes, such as "1706.03762": as a number it could lose zeros')  # noqa: TRY004
    if not isinstance(value, str):
        return value
    text = value.strip()
    if match := _ARXIV.fullmatch(text):
        return "".join(filter(None, match.groups()))
    if match := _DOI.fullmatch(text):
        return match[1].lower()
    return text


Text = Annotated[str, AfterValidator(_line), Field(max_length=200)]
PaperId = Annotated[str, BeforeValidator(_paper_id), AfterValidator(_line), Field(max_length=200)]
Category = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z-]*(\.[A-Za-z-]+)?$")]
Count = Annotated[int, Field(strict=True, ge=1, le=50)]
_STRICT = ConfigDict(extra="forbid", frozen=True)


class _Topic(BaseModel):
    model_config = _STRICT
    topic: Text
    weight: Annotated[float, Field(ge=0.1, le=10)] = 1.0


class _Defaults(BaseModel):
    """What an entry may leave out."""

    model_config = _STRICT
    zone: Annotated[str, AfterValidator(_zone)] = "UTC"
    at: Annotated[time, BeforeValidator(_at)] = time(7, 0)
    days: Annotated[frozenset[int], BeforeValidator(_days)] = EVERY_DAY
    papers: Count = 12
    language: Literal["en", "de"] = "en"
    when_quiet: WhenQuiet = WhenQuiet.TRENDING
    again: Annotated[bool, Field(strict=True)] = False


class _Entry(_Defaults):
    email: Annotated[str, AfterValidator(_address)]
    name: Annotated[str, AfterValidator(_line), Field(max_length=100)] = ""
    topics: tuple[Annotated[_Topic, BeforeValidator(_topic)], ...] = ()
    authors: tuple[Text, ...] = ()
    categories: tuple[Category, ...] = ()
    liked: tuple[PaperId, ...] = ()
    disliked: tuple[PaperId, ...] = ()
    mute: tuple[Text, ...] = ()
    mute_authors: tuple[Text, ...] = ()

    def profile(self) -> Profile:
        return Profile(
            email=self.email,
            name=self.name,
            interests=Interests(
                topics=tuple(Topic(t.topic, t.weight) for t in self.topics),
                authors=self.authors,
                categories=self.categories,
                liked=self.liked,
                disliked=self.disliked,
                muted=self.mute,
                muted_authors=self.mute_authors,
            ),
            schedule=Schedule(self.zone, self.at, self.days),
            papers=self.papers,
            language=self.language,
            when_quiet=self.when_quiet,
            again=self.again,
        )


class _File(BaseModel):
    model_config = _STRICT
    defaults: _Defaults = Field(default_factory=_Defaults)
    subscribers: list[dict[Any, Any]] = Field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Roster:
    """A roster without mistakes."""

    profiles: tuple[Profile, ...]
    lines: dict[str, int]
    """Normalised address -> line of the entry, for messages."""


def read(path: Path) -> Roster:
    """The roster in the file at *path*.

    Raises:
        SettingsError: with every mistake as `file:line:column: path: what is wrong`.
    """
    with _readable(path):
        return parse(path.read_text(encoding="utf-8"), str(path))


def fingerprint(path: Path) -> str:
    """Tells one content of the file at *path* from another.

    Raises:
        SettingsError: it cannot be read.
    """
    with _readable(path):
        return hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from error


def parse(text: str, name: str = "subscribers.yaml") -> Roster:
    """The roster in *text*; *name* is used in messages."""
    try:
        tree = yaml.compose(text, Loader=Loader)
        value = yaml.load(text, Loader=Loader)  # noqa: S506 - a safe loader
        problems = [*repeated_keys(tree, name, set())]
    except yaml.YAMLError as error:
        raise SettingsError(_syntax(name, error)) from error
    except RecursionError as error:
        raise SettingsError(f"{name}: is nested too deeply") from error
    if value is None:
        raise SettingsError(f"{name}: is empty; write `subscribers: []` if nobody is to get a digest")
    profiles, lines = _profiles(value, tree, name, problems)
    if problems:
        raise SettingsError(*sorted(problems, key=_in_file_order))
    return Roster(tuple(profiles), lines)


def _profiles(value: Any, tree: Any, name: str, problems: list[str]) -> tuple[list[Profile], dict[str, int]]:
    def report(error: ValidationError, base: Sequence[str | int] = ()) -> None:
        problems.extend(_problem(name, tree, [*base, *e["loc"]], e) for e in error.errors(include_url=False))

    defaults: dict[str, Any] = {}
    try:
        file = _File.model_validate(value)
        defaults = {field: getattr(file.defaults, field) for field in file.defaults.model_fields_set}
    except ValidationError as error:
        report(error)
    entries = value.get("subscribers") if isinstance(value, dict) else None
    profiles: list[Profile] = []
    lines: dict[str, int] = {}
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        if not isinstance(entry, dict):
            continue
        line, column = _place(tree, ["subscribers", index, "email"])
        person = _person(entry, index)
        if person in lines:
            where = f"{name}:{line}:{column}: subscribers.{index}.email"
            problems.append(f"{where}: {entry['email']} stands on line {lines[person]} already")
        lines.setdefault(person, line)
        try:
            given = _Entry.model_validate(entry)
        except ValidationError as error:
            report(error, ["subscribers", index])
            continue
        missing = {field: v for field, v in defaults.items() if field not in given.model_fields_set}
        profiles.append(given.model_copy(update=missing).profile())
    return profiles, lines


def _person(entry: dict[Any, Any], index: int) -> str:
    """What two entries for one person have in common: the address in normal form, as far as it is one."""
    email = str(entry.get("email", index))
    try:
        return key_of(address(email))
    except UsageError:
        return email


def _syntax(name: str, error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or str(error)
    return f"{name}:{mark.line + 1}:{mark.column + 1}: {what}" if mark else f"{name}: {what}"


_PLAIN = {
    "missing": "is missing",
    "list_type": "must be a list",
    "tuple_type": "must be a list, such as [one, two]",
    "dict_type": "must be an entry with `email:` and whatever else it says",
    "model_type": "must be keys with values, such as `subscribers:` with a list below",
}


def _problem(name: str, tree: Any, loc: Sequence[str | int], error: Any) -> str:
    line, column = _place(tree, loc)
    path = ".".join(str(part) for part in loc) or "file"
    text = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        text = f"unknown key; known are {', '.join(_keys(loc))}"
    elif error["type"] in _PLAIN:
        text = _PLAIN[error["type"]]
    return f"{name}:{line}:{column}: {path}: {text}"


def _keys(loc: Sequence[str | int]) -> list[str]:
    models: dict[str, type[BaseModel]] = {"defaults": _Defaults, "subscribers": _Entry}
    if "topics" in loc:
        return sorted(_Topic.model_fields)
    return sorted((models[str(loc[0])] if len(loc) > 1 and loc[0] in models else _File).model_fields)


def _place(node: Any, loc: Sequence[str | int]) -> tuple[int, int]:
    """Line and column (from 1) of the innermost node on the way along *loc* that is there."""
    for part in loc:
        child = None
        if isinstance(node, yaml.MappingNode):
            child = next((v for k, v in node.value if k.value == str(part)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            child = node.value[part]
        if child is None:
            break
        node = child
    return (node.start_mark.line + 1, node.start_mark.column + 1) if node is not None else (1, 1)


def _in_file_order(problem: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r":(\d+):(\d+): ", problem)[0])


def entry(values: dict[str, Any]) -> Profile:
    """The profile of one entry, given as values.

    Raises:
        SettingsError: with every mistake as `key: what is wrong`.
    """
    try:
        return _Entry.model_validate(values).profile()
    except ValidationError as error:
        raise SettingsError(*(_plainly(e) for e in error.errors(include_url=False))) from error


def _plainly(error: Any) -> str:
    path = ".".join(str(part) for part in error["loc"])
    return f"{path}: {_PLAIN.get(error['type']) or str(error['msg']).removeprefix('Value error, ')}"


def dump(profiles: Sequence[Profile]) -> str:
    """A roster file that says the same as *profiles*."""
    entries = [_entry(profile) for profile in profiles]
    return yaml.dump({"subscribers": entries}, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=100)


def _entry(profile: Profile) -> dict[str, Any]:
    interests, schedule = profile.interests, profile.schedule
    days: Any = {EVERY_DAY: "daily", WEEKDAYS: "weekdays"}.get(schedule.days) or [
        DAYS[d] for d in sorted(schedule.days)
    ]
    entry: dict[str, Any] = {
        "email": profile.email,
        "name": profile.name,
        "zone": schedule.zone,
        "at": schedule.at.isoformat("minutes"),
        "days": days,
        "papers": profile.papers,
        "language": profile.language,
        "when_quiet": profile.when_quiet.value,
        "again": profile.again,
        "topics": [t.phrase if t.weight == 1 else {"topic": t.phrase, "weight": t.weight} for t in interests.topics],
        "authors": list(interests.authors),
        "categories": list(interests.categories),
        "liked": list(interests.liked),
        "disliked": list(interests.disliked),
        "mute": list(interests.muted),
        "mute_authors": list(interests.muted_authors),
    }
    return {key: value for key, value in entry.items() if value not in ("", [])}
