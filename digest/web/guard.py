"""What holds for every request, in one place.

* Security headers: a policy without any inline script or style (CSP level 3), no referrer, so that no link with a token
  in its path is told to another site, no caching, no indexing.
* A POST from another site's page is refused by Sec-Fetch-Site (Fetch Metadata, W3C), or by Origin where a browser
  sends only that. Mailboxes send their unsubscribe button's POST (RFC 8058) without either, or from a web mailer's own
  origin: that path is open to all.
* A body that says it is too large is refused with a page; one that does not say is cut off by the application.
* The log has the route with its placeholders, never the path, which may hold a token.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger(__name__)

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), interest-cohort=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
PRIVATE = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex, nofollow"}
"""For whatever does not say otherwise."""
OPEN = "/unsubscribe/"
"""POST from anywhere is welcome below this path."""


class Guard:
    """Wraps the application.

    Args:
        secure: the public address is https, so that browsers may be told to keep to it.
        largest: bytes of a body that are taken.
        refuse: makes the answer to what is refused, from its status and the headers of the request.
    """

    def __init__(self, app: ASGIApp, *, secure: bool, largest: int, refuse: Callable[[int, Headers], Response]) -> None:
        self._app, self._largest, self._refuse = app, largest, refuse
        self._headers = HEADERS | ({"Strict-Transport-Security": "max-age=31536000"} if secure else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check, answer with headers, log."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.monotonic(), 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers.update(self._headers)
                for name, value in PRIVATE.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await (self._refusal(scope) or self._app)(scope, receive, send_with_headers)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            spent = round((time.monotonic() - started) * 1000)
            log.info("request", method=scope["method"], route=route, status=status, ms=spent)

    def _refusal(self, scope: Scope) -> Response | None:
        if scope["method"] != "POST":
            return None
        headers = Headers(scope=scope)
        if not scope["path"].startswith(OPEN) and foreign(headers):
            return self._refuse(403, headers)
        length = headers.get("content-length", "")
        return self._refuse(413, headers) if length.isdecimal() and int(length) > self._largest else None


def foreign(headers: Headers) -> bool:
    """Whether a POST comes from another site's page."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = headers.get("origin")
    # "null": a page with our referrer policy, as sent by browsers that are too old for Sec-Fetch-Site
    return origin not in {None, "null"} and urlsplit(origin or "").netloc != headers.get("host")
