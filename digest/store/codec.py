"""The house's values as JSON and back, by pydantic, without what equals its default."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter

from digest.models import Interests, Paper, Pick, Profile, SourceStatus

T = TypeVar("T")


class Codec(Generic[T]):
    """JSON values of one type."""

    def __init__(self, kind: type[T]) -> None:
        self._adapter: TypeAdapter[T] = TypeAdapter(kind)

    def dump(self, value: T) -> Any:
        """What `json.dumps` takes."""
        return self._adapter.dump_python(value, mode="json", exclude_defaults=True)

    def load(self, value: Any) -> T:
        """The value again."""
        return self._adapter.validate_python(value)

    def dump_json(self, value: T) -> bytes:
        """JSON in UTF-8, for a column that is packed."""
        return self._adapter.dump_json(value, exclude_defaults=True)

    def load_json(self, data: bytes) -> T:
        """The value again."""
        return self._adapter.validate_json(data)


@dataclass(frozen=True, slots=True)
class Content:
    """What a delivery stores of its digest: all that decides the bytes of the message."""

    profile: Profile
    """As it was at planning, without the lists of liked papers."""
    picks: tuple[Pick, ...]
    """Each with a stand-in for its paper, whose id is that of an edition."""
    considered: int
    sources: tuple[SourceStatus, ...]
    since: str = ""


papers: Codec[Paper] = Codec(Paper)
interests: Codec[Interests] = Codec(Interests)
profiles: Codec[Profile] = Codec(Profile)
contents: Codec[Content] = Codec(Content)


def edition(paper: Paper) -> str:
    """The id of *paper* as it is now: a hash of its content."""
    text = json.dumps(papers.dump(paper), ensure_ascii=False, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def refer(pick: Pick, edition_id: str) -> Pick:
    """*pick* with a stand-in that names its paper's edition."""
    return replace(pick, paper=_stand_in(edition_id))


@lru_cache(maxsize=1 << 12)
def _stand_in(edition_id: str) -> Paper:
    return Paper(id=edition_id, title="")


def pack(numbers: Iterable[int]) -> bytes:
    """Paper numbers, 4 bytes each, in order."""
    return array("I", numbers).tobytes()


def unpack(data: bytes) -> array[int]:
    """Paper numbers again."""
    numbers: array[int] = array("I")
    numbers.frombytes(data)
    return numbers
