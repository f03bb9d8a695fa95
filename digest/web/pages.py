"""Templates become answers: escaped, strict about what they name, and each may be replaced under `home`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateSyntaxError
from starlette.responses import HTMLResponse, Response

from digest.errors import SettingsError
from digest.subscription import Desk
from digest.subscription.desk import Words, words
from digest.web import languages

STATIC = {"digest.css": "text/css", "digest.js": "text/javascript", "icon.svg": "image/svg+xml"}
"""Files that pages ask for, and their types."""


class Pages:
    """All templates of the pages, in every language.

    Raises:
        SettingsError: one does not parse.
    """

    def __init__(self, desk: Desk) -> None:
        self._loader = FileSystemLoader([str(folder) for folder in desk.template_folders])
        self._environment = lru_cache(self._new_environment)
        self.base = urlsplit(desk.site.public_url).path.rstrip("/")
        self._files = {name: _find(desk.template_folders, name) for name in STATIC}
        self._globals = {
            "site": desk.site,
            "base": self.base,
            "static": {name: f"{name}?{hashlib.sha256(data).hexdigest()[:12]}" for name, data in self._files.items()},
        }
        self._check()

    def _new_environment(self, w: Words) -> Environment:
        environment = Environment(
            loader=self._loader,
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            extensions=["jinja2.ext.i18n"],
        )
        install: Callable[..., None] = environment.install_gettext_callables  # type: ignore[attr-defined]
        install(w.gettext, w.ngettext, newstyle=True)
        environment.filters["quote"] = languages.quoting(w)
        environment.globals |= {**self._globals, **languages.for_templates(w)}
        return environment

    def _check(self) -> None:
        """Parse them all, so that a mistake is told when the program starts and not to a reader."""
        ours = ("web/_base/", "web/parts/")
        environment = self._environment(words("en"))
        for name in environment.list_templates(extensions=["html"]):
            if name.startswith(ours) or (name.startswith("web/") and name.count("/") == 1):
                try:
                    environment.get_template(name)
                except TemplateSyntaxError as error:
                    raise SettingsError(f"{error.filename or error.name}:{error.lineno}: {error.message}") from error

    def answer(self, name: str, status: int, values: Mapping[str, object], w: Words) -> Response:
        """The page made from `web/<name>.html`, in the language of *w*."""
        text = self._environment(w).get_template(f"web/{name}.html").render(values)
        return HTMLResponse(text, status, {"Content-Language": w.tag, "Vary": "Accept-Language"})

    def file(self, name: str) -> Response | None:
        """A file that pages ask for under its hash, so that it may be kept for long."""
        if name not in self._files:
            return None
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return Response(self._files[name], media_type=STATIC[name], headers=headers)


def _find(folders: tuple[Path, ...], name: str) -> bytes:
    return next(file.read_bytes() for folder in folders if (file := folder / "web" / "static" / name).is_file())
