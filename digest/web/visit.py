"""One request as the pages see it, and the way from a route to a page.

Pages are plain functions, because the store is: each runs in a thread, while the event loop answers others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from digest.subscription import Desk, reading, signup
from digest.subscription.desk import Expired, Forged, Link, Purpose, Words, clean, words
from digest.web.languages import preferred

if TYPE_CHECKING:
    from digest.web.pages import Pages

MOST_FIELDS = 400
LARGEST_BODY = 64 * 1024
"""Bytes. The longest honest form has a few thousand."""
PATIENCE = 20.0
"""Seconds in which a form has to arrive; a phone on a bad line needs a few."""


@dataclass(frozen=True)
class House:
    """What every page may use."""

    desk: Desk
    pages: Pages
    wake: Callable[[], None]
    """Have a pass made now: somebody's first digest is due."""
    pulse: Callable[[], datetime | None]
    """When the clock ticked last; None where another process has the clock."""


@dataclass(frozen=True)
class Visit:
    """One request."""

    house: House
    request: Request
    form: FormData
    words: Words
    """The language of the reader whom a genuine link names, else the one that the browser asks for."""

    @property
    def desk(self) -> Desk:
        """What readers' own steps need."""
        return self.house.desk

    @property
    def posted(self) -> bool:
        """Whether a button was pressed."""
        return self.request.method == "POST"

    @cached_property
    def network(self) -> str:
        """Where the request comes from, not more exactly than needed."""
        return signup.network_of(self.request.client.host if self.request.client else "")

    def text(self, name: str) -> str:
        """One field of the form, empty when it is missing."""
        value = self.form.get(name)
        return value if isinstance(value, str) else ""

    def texts(self, name: str) -> list[str]:
        """All fields of that name."""
        return [value for value in self.form.getlist(name) if isinstance(value, str)]

    def link(self, purpose: Purpose, max_age: timedelta | None = None) -> Link:
        """What the signed part of the address says.

        Raises:
            HTTPException: 404 for what we never signed, 410 for what is too old.
        """
        signed = self.request.path_params["signed"]
        match self.desk.links.read(purpose, signed, now=self.desk.now, max_age=max_age):
            case Link() as link:
                return replace(link, paper=clean(link.paper))  # what follows the signature may be anything
            case Expired():
                raise HTTPException(410)
            case Forged():
                raise HTTPException(404)

    def fresh(self, purpose: Purpose, max_age: timedelta) -> bool:
        """Whether the link carries a date that is not long ago."""
        signed = self.request.path_params["signed"]
        return isinstance(self.desk.links.read(purpose, signed, now=self.desk.now, max_age=max_age), Link)

    def page(self, name: str, status: int = 200, **values: object) -> Response:
        """The answer made from the template `web/<name>.html`."""
        return self.house.pages.answer(name, status, values, self.words)


Page = Callable[[Visit], Response]


def route(house: House, path: str, page: Page, *methods: str, lenient: bool = False) -> Route:
    """*page* at *path*; GET, and so HEAD, unless *methods* say otherwise.

    A form that cannot be read is answered with 400, or counts as an empty one where the page is *lenient*.
    """

    async def endpoint(request: Request) -> Response:
        form = FormData()
        if request.method == "POST":
            try:
                form = await _form(request)
            except HTTPException as error:
                if error.status_code != 400 or not lenient:
                    raise
        return await run_in_threadpool(_answer, house, page, request, form)

    return Route(path, endpoint, methods=list(methods or ("GET",)))


def _answer(house: House, page: Page, request: Request, form: FormData) -> Response:
    """The language is looked up first: some pages end by forgetting whose they are."""
    language = _language(house.desk, request) or preferred(request.headers.get("accept-language", ""))
    return page(Visit(house, request, form, words(language)))


def _language(desk: Desk, request: Request) -> str:
    signed, purpose = request.path_params.get("signed"), request.url.path.split("/")[1]
    if signed is None:
        return ""
    found = desk.links.read(Purpose(purpose), signed)
    return reading.language(desk, found.subscriber) if isinstance(found, Link) else ""


async def _form(request: Request) -> FormData:
    """The fields that were sent, without what is no text and no store could keep: NUL, halves of surrogate pairs.

    Raises:
        HTTPException: 400 for what cannot be read, 408 for what does not come, or not whole, 413 for too much.
    """
    try:
        async with asyncio.timeout(PATIENCE):
            form = await request.form(max_files=0, max_fields=MOST_FIELDS, max_part_size=LARGEST_BODY)
    except (TimeoutError, ClientDisconnect):
        raise HTTPException(408) from None
    except ValueError as error:  # a multipart form may name any codec of Python's as its charset, "undefined" too
        raise HTTPException(400) from error
    return FormData([(name, clean(value)) for name, value in form.multi_items() if isinstance(value, str)])
