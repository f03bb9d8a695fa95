"""The local mailbox in the browser: what `digest` would have mailed while no relay is set, and what the demo mails.

* `mails` reads a message, however broken
* `pages` shows it, and never runs anything that is in it
* this file listens

It is made for one person on their own machine: it has no login, and listens on loopback unless told otherwise.
"""

from __future__ import annotations

import errno
import ipaddress
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import click
import uvicorn

from digest.errors import UsageError
from digest.inbox.pages import application
from digest.settings import Settings

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def serve(settings: Settings, host: str, port: int) -> None:
    """Show the mailbox until SIGTERM or SIGINT.

    Raises:
        UsageError: nothing can listen there.
    """
    with running(settings, host, port) as address:
        click.echo(f"The mailbox {settings.path(settings.mailbox)} is shown at {address} (Ctrl-C ends)")
        wait_for_the_end()


@contextmanager
def running(settings: Settings, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Show the mailbox until the block is left.

    Args:
        settings: say which mailbox.
        host: name or address to listen on.
        port: 0 chooses a free one.

    Yields:
        The address to open.

    Raises:
        UsageError: nothing can listen there.
    """
    with _listen(host, port) as listener:
        # A page in the same browser must not read mail by pointing its own name at this address (DNS rebinding).
        hosts = LOOPBACK if _is_loopback(host) else ("*",)
        server = uvicorn.Server(
            uvicorn.Config(
                application(settings, hosts),
                lifespan="off",
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=1,
            )
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="inbox")
        thread.start()
        try:
            shown = f"[{host}]" if ":" in host else host
            yield f"http://{shown}:{listener.getsockname()[1]}/"
        finally:
            server.should_exit = True
            thread.join()


def wait_for_the_end() -> None:
    """Return on SIGTERM or SIGINT; to be called in the main thread."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UsageError(f"port {port} is in use; choose another with --port") from error
        raise UsageError(f"cannot listen on {host}, port {port}: {error.strerror}") from error


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
