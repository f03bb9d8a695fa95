"""The house's values as JSON and back, by pydantic, without what equals its default."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterable
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter

from digest.models import Interests, Paper, Profile

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


papers: Codec[Paper] = Codec(Paper)
interests: Codec[Interests] = Codec(Interests)
profiles: Codec[Profile] = Codec(Profile)


def edition(paper: Paper) -> str:
    """The id of *paper* as it is now: a hash of its content."""
    text = json.dumps(papers.dump(paper), ensure_ascii=False, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def pack(numbers: Iterable[int]) -> bytes:
    """Paper numbers, 4 bytes each, in order."""
    return array("I", numbers).tobytes()


def unpack(data: bytes) -> array[int]:
    """Paper numbers again."""
    numbers: array[int] = array("I")
    numbers.frombytes(data)
    return numbers
