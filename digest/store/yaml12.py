"""YAML as people mean it: scalars of the 1.2 core schema, and no key twice.

PyYAML reads YAML 1.1, where `at: 12:30` is 750 and `no` is false, and keeps the last of two equal keys silently.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml
from yaml.constructor import ConstructorError


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML 1.2 core scalars, and errors with their place."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """A value that does not fit its explicit tag (`!!int x`) is a mistake in the file."""
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError) as error:
            raise ConstructorError(None, None, f"{node.value!r} does not fit its tag", node.start_mark) from error


class Dumper(yaml.SafeDumper):
    """Puts in quotes what YAML 1.1 or 1.2 would not read as text."""


def _int(loader: Loader, node: yaml.ScalarNode) -> int:
    """YAML 1.2: zeros before a decimal number mean nothing."""
    text = str(loader.construct_scalar(node))
    return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))


Loader.yaml_implicit_resolvers = {}
Loader.add_constructor("tag:yaml.org,2002:int", _int)
for _tag, _pattern, _first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("int", r"^[-+]?[0-9]+$|^0o[0-7]+$|^0x[0-9a-fA-F]+$", "-+0123456789"),
    ("float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", "-+0123456789."),
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
):
    for _kind in (Loader, Dumper):
        _kind.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))


def repeated_keys(node: Any, name: str, visited: set[int]) -> Iterator[str]:
    """PyYAML keeps the last of two equal keys silently; YAML forbids them.

    A node that aliases name again and again is looked at once.
    """
    if id(node) in visited:
        return
    visited.add(id(node))
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                mark = key.start_mark
                yield f"{name}:{mark.line + 1}:{mark.column + 1}: {key.value}: stands here for the second time"
            seen.add(key.value)
            yield from repeated_keys(value, name, visited)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from repeated_keys(value, name, visited)
