"""All pages put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

import structlog
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from digest.subscription import Desk
from digest.subscription.desk import Words, words
from digest.web import feedback, joining, leaving, reading, tuning, watching
from digest.web.guard import Guard
from digest.web.languages import preferred
from digest.web.pages import Pages
from digest.web.visit import LARGEST_BODY, House

log = structlog.get_logger(__name__)


def build(desk: Desk, wake: Callable[[], None], pulse: Callable[[], datetime | None]) -> ASGIApp:
    """The application.

    Args:
        desk: what readers' own steps need; open as long as the application is used.
        wake: have a pass made now, because somebody's first digest is due.
        pulse: when the clock ticked last; None where another process has the clock.

    Raises:
        SettingsError: a template does not parse.
    """
    house = House(desk, Pages(desk), wake, pulse)
    parts = (joining, tuning, leaving, feedback, reading, watching)

    def refused(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        return _failure(house, status, request.headers, getattr(error, "headers", None))

    app = Starlette(
        routes=[each for part in parts for each in part.routes(house)],
        exception_handlers={HTTPException: refused, 500: refused},
        max_body_size=LARGEST_BODY,
    )
    app.router.redirect_slashes = False  # it would redirect to whatever the Host header says
    return Guard(
        app,
        secure=desk.site.public_url.startswith("https:"),
        largest=LARGEST_BODY,
        refuse=lambda status, headers: _failure(house, status, headers),
    )


def _failure(house: House, status: int, asked: Headers, headers: Mapping[str, str] | None = None) -> Response:
    """The page that says so; with the *headers* that belong to it, such as the Allow of a 405."""
    w = words(preferred(asked.get("accept-language", "")))
    title, text = _said(status, w)
    answer = house.pages.answer("failure", status, {"title": title, "text": text}, w)
    answer.headers.update(headers or {})
    return answer


def _said(status: int, w: Words) -> tuple[str, str]:
    """A failure in words; never what a stranger sent."""
    _ = w.gettext
    said = {
        400: (_("This request could not be read"), _("Please go back and try again.")),
        403: (_("This form was sent from another site"), _("Please open the page itself, and send it from there.")),
        404: (
            _("There is no such page"),
            _("Perhaps the address was cut in two on its way; try copying all of it."),
        ),
        405: (_("That does not work here"), _("Please go back and use the buttons of the page.")),
        408: (_("That took too long"), _("Your form did not arrive whole. Please go back and send it again.")),
        410: (
            _("This link is not good any more"),
            _(
                "It is too old, was used up, or belongs to somebody who is no longer here. You can have a new one "
                "mailed, or sign up anew."
            ),
        ),
        413: (_("That was too much"), _("The form was larger than any honest one.")),
        429: (_("Too many requests"), _("Please wait a minute and try again.")),
        500: (
            _("Something went wrong here"),
            _("It is not your fault, and it has been noted. Please try again later."),
        ),
    }
    return said.get(status, said[400 if status < 500 else 500])
