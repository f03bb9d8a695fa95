"""A digest in the browser, written again whenever a template changes, for those who write their own.

The papers are chosen once; only the writing is repeated. The page asks for news twice a second, and each time the
templates' files are looked at. A mail is written by strangers, so its HTML is shown in a frame with `sandbox`, under a
Content-Security-Policy that says the same again: no script, no form. It listens on loopback and answers to no other
name, so that no page elsewhere can read it (DNS rebinding).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from digest import app
from digest.errors import SettingsError
from digest.models import Digest
from digest.settings import Settings

OWN_POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; frame-src 'self'"
MAIL_POLICY = (
    "sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox; default-src 'none'; "
    "style-src 'unsafe-inline'; img-src https: data:; frame-ancestors 'self'"
)
OWN_FILES = {"/": "page.html", "/watch.css": "watch.css", "/watch.js": "watch.js"}
MEDIA_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".txt": "text/plain"}


@dataclass(frozen=True, slots=True)
class View:
    """The digest as the templates of one moment write it."""

    version: int = 0
    """Grows with each change that could be written."""
    subject: str = ""
    html: str = ""
    text: str = ""
    problems: tuple[str, ...] = ()
    """What is wrong with the templates now; the rest is then as it was before."""


class Watched:
    """One digest and the templates that write it.

    Args:
        settings: say where templates are.
        digest: what to write.
    """

    def __init__(self, settings: Settings, digest: Digest) -> None:
        self._settings = settings
        self._digest = digest
        self._signing = app.links(settings, rehearse=True)
        self._lock = threading.Lock()
        self._seen: dict[Path, tuple[int, int]] | None = None
        self._view = View()

    def view(self) -> View:
        """The digest by the templates as they are now."""
        with self._lock:
            found = self._files()
            if found != self._seen:
                self._seen, self._view = found, self._written()
            return self._view

    def _files(self) -> dict[Path, tuple[int, int]]:
        files = (file for folder in app.template_folders(self._settings) for file in (folder / "mail").rglob("*.*"))
        found = {}
        for file in files:
            try:
                status = file.stat()
            except FileNotFoundError:  # an editor saves by replacing
                continue
            found[file] = (status.st_mtime_ns, status.st_size)
        return found

    def _written(self) -> View:
        before = self._view
        try:
            written = app.writer(self._settings, self._signing).write(self._digest)
        except SettingsError as error:
            return View(before.version, before.subject, before.html, before.text, error.problems)
        return View(before.version + 1, written.subject, written.html, written.text)


@contextmanager
def running(settings: Settings, digest: Digest) -> Iterator[str]:
    """Show *digest* until the block is left; yields the address to open."""
    with _Server(settings, digest) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="watching")
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, settings: Settings, digest: Digest) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.watched = Watched(settings, digest)
        self.own = app.template_folders(settings)[-1] / "web" / "watch"


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        """Answer one request."""
        path = urlsplit(self.path).path
        if self.headers.get("Host") not in {f"{name}:{self.server.server_port}" for name in ("127.0.0.1", "localhost")}:
            self.send_error(421)
        elif path in OWN_FILES:
            file = self.server.own / OWN_FILES[path]
            self._answer(file.read_text(encoding="utf-8"), MEDIA_TYPES[file.suffix], OWN_POLICY)
        elif path in {"/body.html", "/body.txt"}:
            view = self.server.watched.view()
            kind = Path(path).suffix
            self._answer(view.html if kind == ".html" else view.text, MEDIA_TYPES[kind], MAIL_POLICY)
        elif path == "/view":
            self._answer(json.dumps(_news(self.server.watched.view())), "application/json", OWN_POLICY)
        else:
            self.send_error(404)

    def _answer(self, body: str, media_type: str, policy: str) -> None:
        data = body.encode()
        self.send_response(200)
        self.send_header("Content-Type", f"{media_type}; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Content-Security-Policy", policy)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
        """Twice a second is too much to tell."""


def _news(view: View) -> dict[str, object]:
    size = f"{len(view.html.encode()) / 1000:.1f} kB of HTML"
    return {"version": view.version, "subject": view.subject, "size": size, "problems": view.problems}
