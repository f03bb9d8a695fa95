"""All pages put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from digest.subscription import Desk
from digest.web import feedback, joining, leaving, reading, tuning, watching
from digest.web.guard import Guard
from digest.web.pages import Pages
from digest.web.visit import LARGEST_BODY, House

log = structlog.get_logger(__name__)

WORDS = {
    400: ("This request could not be read", "Please go back and try again."),
    404: ("There is no such page", "Perhaps the address was cut in two on its way; try copying all of it."),
    405: ("That does not work here", "Please go back and use the buttons of the page."),
    408: ("That took too long", "Your form did not arrive whole. Please go back and send it again."),
    410: (
        "This link is not good any more",
        "It is too old, was used up, or belongs to somebody who is no longer here. You can have a new one mailed, or "
        "sign up anew.",
    ),
    413: ("That was too much", "The form was larger than any honest one."),
    429: ("Too many requests", "Please wait a minute and try again."),
    500: ("Something went wrong here", "It is not your fault, and it has been noted. Please try again later."),
}
"""What is said of a failure; never what a stranger sent."""


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

    def refused(_request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        return _failure(house, status, getattr(error, "headers", None))

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
        too_large=lambda: _failure(house, 413),
    )


def _failure(house: House, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """The page that says so; with the *headers* that belong to it, such as the Allow of a 405."""
    title, text = WORDS.get(status, WORDS[400 if status < 500 else 500])
    answer = house.pages.answer("failure", status, {"title": title, "text": text})
    answer.headers.update(headers or {})
    return answer
