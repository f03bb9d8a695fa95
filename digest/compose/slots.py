"""Slots: places in a template's output for what is put in later, so that one rendering serves many readers.

A template may print a slot, ask whether anything will stand there, and hand it on. Whatever else it does with it (a
filter, a comparison, an attribute) depends on what will stand there, and is refused.
"""

from __future__ import annotations

from typing import Any, NoReturn

from jinja2 import TemplateRuntimeError
from markupsafe import Markup

MARK = "\ufdd0"
"""Stands before and behind a slot's name in rendered text; a noncharacter, which clean text never holds."""
OWN_MARK = "\ufdd1"
"""The same for what is the reader's own."""


class Slot:
    """What a template gets in place of a value.

    Args:
        variable: what a template calls it, for the refusal.
        printed: what stands for it in rendered text.
        filled: whether anything will stand there.
    """

    __slots__ = ("_filled", "_printed", "_variable")

    def __init__(self, variable: str, printed: str, *, filled: bool = True) -> None:
        self._variable = variable
        self._printed = Markup(printed)  # noqa: S704 - marks, names and links of ours
        self._filled = filled

    def __bool__(self) -> bool:
        return self._filled

    def __getattr__(self, name: str) -> NoReturn:
        self._refuse()

    def _refuse(self, *_: object) -> NoReturn:
        raise TemplateRuntimeError(f"'{self._variable}' is put in later: it can be printed as it is, and tested")


for _operation in (
    *("str", "repr", "format", "html", "int", "float", "hash", "len", "iter", "contains", "getitem"),
    *("eq", "ne", "lt", "le", "gt", "ge", "add", "radd", "sub", "rsub", "mul", "rmul", "mod", "rmod", "pow", "rpow"),
    *("truediv", "rtruediv", "floordiv", "rfloordiv", "pos", "neg"),
):
    setattr(Slot, f"__{_operation}__", Slot._refuse)


def slot(name: str, variable: str, tail: str = "") -> Any:
    """A slot *name*, and *tail* behind it; has the type of whatever will stand there."""
    return Slot(variable, f"{MARK}{name}{MARK}{tail}")


def own_slot(name: str, *, filled: bool) -> Any:
    """A slot for what is one reader's own; it cannot be kept in a macro or `{% set %}…{% endset %}` either."""
    return Slot(name, f"{OWN_MARK}{name}{OWN_MARK}" if filled else "", filled=filled)


def printed(value: Slot) -> Markup:
    """What stands in rendered text for it."""
    return value._printed


def of_content(test: Any) -> Any:
    """Jinja's *test*, made to refuse slots: it would tell their type, not that of what will stand there."""
    return lambda value: value._refuse() if type(value) is Slot else test(value)
