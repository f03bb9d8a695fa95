"""huggingface.co, rss.arxiv.org and export.arxiv.org on loopback, answering with the sample day.

All three base URLs of the settings may point at the same server:

    /api/daily_papers?date=&limit=&p=    as huggingface.co
    /rss/{categories joined by +}       as rss.arxiv.org
    /api/query?id_list= or search_query=, start=, max_results=, sortOrder=    as export.arxiv.org

Answers carry an ETag; a matching If-None-Match is answered with 304 (RFC 9110, section 13.1.2). Anything else is 404.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

from digest.sample.arxiv import arxiv_query, arxiv_rss
from digest.sample.huggingface import huggingface

JSON = "application/json; charset=utf-8"
ATOM = "application/atom+xml; charset=utf-8"
RSS = "application/rss+xml; charset=utf-8"
PAGE = 50
"""Papers on a page of Hugging Face, and the most that it gives is twice that."""


@contextmanager
def serve(today: date, *, asked: date | None = None) -> Iterator[str]:
    """Run the upstreams until the block is left.

    Args:
        today: the sample day.
        asked: the day on which the upstreams pretend to be, `today` if not given; running them for each of the two
            days before and then for `today` itself shows how upvotes grew.

    Yields:
        The base URL, without a slash at its end.
    """
    with _Upstreams(today, asked or today) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class _Upstreams(ThreadingHTTPServer):
    def __init__(self, today: date, asked: date) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.today = today
        self.asked = asked

    def answer(self, target: str) -> tuple[str, bytes] | None:
        """Media type and body; None for what is not served. A ValueError means that the question makes no sense."""
        url = urlsplit(target)
        query = dict(parse_qsl(url.query))
        if url.path == "/api/daily_papers":
            return JSON, self._huggingface(query)
        if url.path == "/api/query":
            return ATOM, self._query(query)
        if url.path.startswith("/rss/"):
            categories = unquote(url.path.removeprefix("/rss/")).split("+")
            return RSS, arxiv_rss(self.today, categories, asked=self.asked)
        return None

    def _huggingface(self, query: Mapping[str, str]) -> bytes:
        return huggingface(
            date.fromisoformat(query["date"]) if "date" in query else self.asked,
            self.today,
            asked=self.asked,
            limit=min(int(query.get("limit", PAGE)), 2 * PAGE),
            page=int(query.get("p", 0)),
        )

    def _query(self, query: Mapping[str, str]) -> bytes:
        return arxiv_query(
            self.today,
            ids=query["id_list"].split(",") if "id_list" in query else (),
            search=query.get("search_query", ""),
            start=int(query.get("start", 0)),
            most=int(query.get("max_results", 10)),
            ascending=query.get("sortOrder") == "ascending",
            asked=self.asked,
        )


class _Handler(BaseHTTPRequestHandler):
    server: _Upstreams

    def do_GET(self) -> None:
        """Answer one request."""
        try:
            found = self.server.answer(self.path)
        except ValueError as error:
            self.send_error(400, str(error))
            return
        if found is None:
            self.send_error(404)
            return
        media_type, body = found
        tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        unchanged = self.headers.get("If-None-Match") == tag
        self.send_response(304 if unchanged else 200)
        self.send_header("ETag", tag)
        if not unchanged:
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if not unchanged:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Nothing: the program that asks has its own log."""
