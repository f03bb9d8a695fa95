"""The pages: the list, one mail as HTML, text, headers or source.

A mail is written by strangers. Its HTML is served from an address of its own, in a frame with `sandbox` and under a
Content-Security-Policy that says the same again (`default-src 'none'`, `sandbox`), so that opening that address
directly is no way around it: no script, no form, no plug-in, no frame; its own styles and https images; links open a
new tab.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from digest import app
from digest.inbox.mails import LONGEST_TEXT, Mail, read
from digest.settings import Settings

MOST = 200
"""Mails in the list."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; frame-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""On every answer that does not say otherwise."""

MAIL_POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; "
    "img-src https: data:; font-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
"""For the HTML of a mail."""

ASSETS = {"inbox.css": "text/css", "inbox.js": "text/javascript"}

_HEAD = re.compile(r"<head\b[^>]*>", re.IGNORECASE)
_DOCTYPE = re.compile(r"\s*<!doctype\b[^>]*>", re.IGNORECASE)


def application(settings: Settings, hosts: Sequence[str] = ("*",)) -> Starlette:
    """The application.

    Args:
        settings: say which mailbox.
        hosts: names under which it may be addressed.
    """
    handlers = _Pages(settings)
    return Starlette(
        routes=[
            Route("/", handlers.index),
            Route("/mails/{key}", handlers.mail, name="mail"),
            Route("/mails/{key}/text", handlers.text, name="text"),
            Route("/mails/{key}/headers", handlers.headers, name="headers"),
            Route("/mails/{key}/body.html", handlers.body, name="body"),
            Route("/mails/{key}/source", handlers.source, name="source"),
            Route("/mails/{key}/mail.eml", handlers.download, name="download"),
            Route("/{name}", handlers.asset, name="asset"),
        ],
        middleware=[
            Middleware(_SecurityHeaders),
            Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False),
        ],
        exception_handlers={404: handlers.missing},
    )


class _Pages:
    """The handlers; plain functions, which Starlette runs in threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._mailbox = app.mailbox(settings)
        self._templates = Environment(
            loader=FileSystemLoader([folder / "web" / "inbox" for folder in app.template_folders(settings)]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def index(self, request: Request) -> Response:
        """The newest mails."""
        return self._page(
            request,
            "list.html",
            mails=self._mailbox.summaries(MOST),
            most=MOST,
            folder=self._mailbox.folder.absolute(),
            relay=self._settings.smtp_url,
        )

    def mail(self, request: Request) -> Response:
        """One mail: its HTML where it has any, else its text."""
        mail = self._mail(request)
        return self._view(request, mail, "html" if mail.html else "text")

    def text(self, request: Request) -> Response:
        """The plain text part."""
        return self._view(request, self._mail(request), "text")

    def headers(self, request: Request) -> Response:
        """Every header."""
        return self._view(request, self._mail(request), "headers")

    def body(self, request: Request) -> Response:
        """The HTML part, for the frame."""
        mail = self._mail(request)
        if not mail.html:
            _not_found()
        return HTMLResponse(_with_new_tabs(mail.html), headers={"Content-Security-Policy": MAIL_POLICY})

    def source(self, request: Request) -> Response:
        """The bytes as they were sent, to read."""
        return Response(self._data(request), media_type="text/plain")

    def download(self, request: Request) -> Response:
        """The bytes as they were sent, for a mail program."""
        name = re.sub(r"[^\w.-]", "_", request.path_params["key"], flags=re.ASCII)
        return Response(
            self._data(request),
            headers={"Content-Disposition": f'attachment; filename="{name}.eml"', "Content-Type": "message/rfc822"},
        )

    def asset(self, request: Request) -> Response:
        """The style sheet, and the script that fetches new mail."""
        name = request.path_params["name"]
        if name not in ASSETS:
            _not_found()
        return Response(self._templates.get_template(name).render(), media_type=ASSETS[name])

    def missing(self, request: Request, _error: Exception) -> Response:
        """There is no such page."""
        return self._page(request, "missing.html", 404)

    def _view(self, request: Request, mail: Mail, view: str) -> Response:
        values = {
            "mail": mail,
            "view": view,
            "key": request.path_params["key"],
            "text": mail.text[:LONGEST_TEXT],
            "shortened": len(mail.text) > LONGEST_TEXT,
        }
        return self._page(request, "mail.html", **values)

    def _mail(self, request: Request) -> Mail:
        return read(self._data(request))

    def _data(self, request: Request) -> bytes:
        try:
            return self._mailbox.read(request.path_params["key"])
        except (KeyError, FileNotFoundError):  # a mail program may move or delete it at any moment
            _not_found()

    def _page(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        context: Mapping[str, Any] = {"url": request.app.url_path_for, **values}
        return HTMLResponse(self._templates.get_template(template).render(context), status)


class _SecurityHeaders:
    """Puts `HEADERS` on every answer, errors included."""

    def __init__(self, inner: ASGIApp) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._inner(scope, receive, with_headers)


def _with_new_tabs(html: str) -> str:
    """*html* whose links open in a new tab; in the frame they could lead nowhere."""
    place = _HEAD.search(html) or _DOCTYPE.match(html)
    at = place.end() if place else 0
    return f'{html[:at]}<base target="_blank">{html[at:]}'


def _not_found() -> NoReturn:
    raise HTTPException(404)
