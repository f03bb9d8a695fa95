"""Templates become text: found, styled once, escaped, and strict about what they name.

A style sheet (`_base/style.css`) is inlined when a template is loaded: behind each `class="…"` goes the `style="…"`
that css-inline computes for it. The template's text is otherwise left alone, so that an error names the line in the
file. Rules select by class and nothing else, because a template is a fragment without its surroundings. Media queries
cannot be inlined; they stand in `_base/media.css`, which the layout includes.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from css_inline import CSSInliner
from jinja2 import (
    Environment,
    FileSystemLoader,
    StrictUndefined,
    TemplateNotFound,
    TemplateRuntimeError,
    TemplateSyntaxError,
    select_autoescape,
)
from jinja2.exceptions import TemplateError

from digest.compose.slots import OWN_MARK, Slot, of_content, printed
from digest.compose.text import clean, fit, shorten, wrap
from digest.compose.words import Words
from digest.errors import SettingsError

STYLE = "mail/_base/style.css"
_CLASS = re.compile(r'(<[a-z][a-z0-9]*(?:\s+[a-z-]+(?:="[^"<>]*")?)*?\s+class="([a-z0-9 _-]+)")')
_INDENT = re.compile(r"^[ \t]+", re.MULTILINE)


def template_folder() -> Path:
    """The templates that come with the program: inside the wheel, or beside the package in a checkout."""
    package = Path(__file__).parents[1]
    packaged = package / "templates"
    return packaged if packaged.is_dir() else package.parent / "templates"


class Templates:
    """Every template of the folders, in every language.

    Args:
        folders: the first one that has a file wins, so that single files can be replaced.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._loader = _Loader(folders)
        self._environment = lru_cache(self._new_environment)

    def render(self, name: str, words: Words, values: Mapping[str, Any]) -> str:
        """The text of template *name* (`mail/digest/body.html`).

        Raises:
            SettingsError: the template is missing, does not parse, or names what does not exist; with file and line.
        """
        try:
            # `render` would take the page itself for text that a template keeps, see `concat`
            return "".join(self._environment(words).get_template(name).generate(values))
        except TemplateNotFound as error:
            places = dict.fromkeys((self._place(error, name), str(error.name)))  # who includes it, and the file itself
            raise SettingsError(f"{': '.join(places)}: there is no such template in {self._loader.places}") from error
        except TemplateSyntaxError as error:
            raise SettingsError(f"{error.filename or error.name}:{error.lineno}: {error.message}") from error
        except (TemplateError, TypeError, ValueError, LookupError, ArithmeticError, RecursionError) as error:
            raise SettingsError(f"{self._place(error, name)}: {error}") from error

    def _new_environment(self, words: Words) -> Environment:
        environment = _Environment(
            loader=self._loader,
            autoescape=select_autoescape(("html",)),
            undefined=_Undefined,
            finalize=_harmless,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            extensions=["jinja2.ext.i18n"],
        )
        install: Callable[..., None] = environment.install_gettext_callables  # type: ignore[attr-defined]
        install(words.gettext, words.ngettext, newstyle=True)
        environment.tests |= {name: of_content(environment.tests[name]) for name in ("string", "sequence")}
        environment.filters |= {"fit": fit, "shorten": shorten, "wrap": wrap}
        environment.globals |= {"lang": words.tag, "day": words.day, "count": words.count}
        return environment

    def _place(self, error: BaseException, name: str) -> str:
        """The innermost line of a template on the way to *error*."""
        for frame in reversed(traceback.extract_tb(error.__traceback__)):
            if any(Path(frame.filename).is_relative_to(folder) for folder in self._loader.searchpath):
                return f"{frame.filename}:{frame.lineno}"
        return name


class _Environment(Environment):
    @staticmethod
    def concat(stretches: Iterable[str]) -> str:
        """Text that a template keeps, and may look at: what a macro, `{% set %}`, `{% filter %}` or `super()` gives."""
        text = "".join(stretches)
        if OWN_MARK in text:
            raise TemplateRuntimeError("what is put in later cannot be kept")
        return text


class _Undefined(StrictUndefined):
    """Says `'card.titel' is undefined`, as of variables: templates know our values by the names of their classes."""

    @property
    def _undefined_message(self) -> str:
        owner = type(self._undefined_obj)
        if not owner.__module__.startswith("digest."):
            return super()._undefined_message
        return f"'{owner.__name__.lower()}.{self._undefined_name}' is undefined"


class _Loader(FileSystemLoader):
    """Reads templates, and puts its style behind each class of an HTML one."""

    def __init__(self, folders: Sequence[Path]) -> None:
        super().__init__([str(folder) for folder in folders])
        self._style = lru_cache(self._style_of)

    @property
    def places(self) -> str:
        return ", ".join(self.searchpath)

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        source, file, current = super().get_source(environment, template)
        if template.endswith(".html"):
            source = _CLASS.sub(lambda found: found[1] + self._style(found[2], environment), _INDENT.sub("", source))
        return source, file, current

    def _style_of(self, classes: str, environment: Environment) -> str:
        css = super().get_source(environment, STYLE)[0]
        styled = CSSInliner(load_remote_stylesheets=False, minify_css=True).inline_fragment(
            f'<p class="{classes}"></p>', css
        )
        found = re.search(r' style="[^"]*"', styled)
        return found[0] if found else ""


def _harmless(value: Any) -> Any:
    if type(value) is Slot:
        return printed(value)
    return clean(value) if type(value) is str else value
