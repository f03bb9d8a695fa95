"""A web server on loopback that answers by script and remembers what it was asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Reply:
    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    silence: float = 0.0
    """Seconds before the answer begins."""
    drip: float = 0.0
    """Seconds between any two bytes of the body."""
    cut: int | None = None
    """Bytes of the body after which the connection is closed."""
    hang_up: bool = False
    """Close without a word."""


class Upstream:
    """`answer(path)` decides; by default the replies of `script` one after the other, the last one for ever."""

    def __init__(self, *script: Reply) -> None:
        self.script = list(script)
        self.answer: Callable[[str], Reply] = lambda path: (
            self.script.pop(0) if len(self.script) > 1 else self.script[0]
        )
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.url = ""


@contextmanager
def serving(*script: Reply) -> Iterator[Upstream]:
    upstream = Upstream(*script)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

        def do_GET(self) -> None:
            upstream.asked.append(self.path)
            upstream.headers.append({name.lower(): value for name, value in self.headers.items()})
            reply = upstream.answer(self.path)
            time.sleep(reply.silence)
            self.close_connection = reply.hang_up or reply.cut is not None
            if not reply.hang_up:
                self._send(reply)

        def _send(self, reply: Reply) -> None:
            self.send_response(reply.status)
            for name, value in ({"Content-Length": str(len(reply.body))} | reply.headers).items():
                self.send_header(name, value)
            self.end_headers()
            try:
                step = 1 if reply.drip else max(1, len(reply.body))
                body = reply.body[: reply.cut]
                for at in range(0, len(body), step):
                    self.wfile.write(body[at : at + step])
                    self.wfile.flush()
                    time.sleep(reply.drip)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    upstream.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield upstream
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
