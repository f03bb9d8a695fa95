"""uvicorn in a thread of the daemon, and the thread that sends letters and forgets what is old."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import structlog
import uvicorn

from digest import app
from digest.errors import SettingsError
from digest.settings import Settings
from digest.subscription import Desk, letters, rights
from digest.web.site import build

log = structlog.get_logger(__name__)

LOOK = 1.0
"""Seconds between two looks for letters."""
FORGET = timedelta(hours=1)
GRACE = 5
"""Seconds that requests get to end."""


@contextmanager
def serving(
    settings: Settings,
    wake: Callable[[], None],
    pulse: Callable[[], datetime | None],
    clock: Callable[[], datetime] = app.system_clock,
) -> Iterator[str]:
    """Serve the pages until the block is left; yields the address that is listened on.

    Raises:
        SettingsError: the address cannot be listened on, or a template is wrong.
    """
    listening = _listen(settings)
    with listening, app.desk(settings, clock) as desk, _housekeeping(desk):
        server = uvicorn.Server(
            uvicorn.Config(
                build(desk, wake, pulse),
                access_log=False,  # it would hold paths, and paths hold tokens
                log_config=None,
                log_level=logging.WARNING,
                lifespan="off",
                ws="none",
                proxy_headers=bool(settings.proxies),
                forwarded_allow_ips=list(settings.proxies),
                server_header=False,
                timeout_graceful_shutdown=GRACE,
            )
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="web", daemon=True)
        thread.start()
        try:
            host, port = listening.getsockname()[:2]
            yield f"http://{f'[{host}]' if ':' in host else host}:{port}"
        finally:
            server.should_exit = True
            thread.join()


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.web_host else socket.AF_INET
    try:
        return socket.create_server((settings.web_host, settings.web_port), family=family, backlog=256)
    except OSError as error:
        where = f"{settings.web_host}:{settings.web_port}"
        raise SettingsError(f"DIGEST_WEB_PORT: cannot listen on {where}: {error.strerror or error}") from error


@contextmanager
def _housekeeping(desk: Desk) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=_keep_house, args=(desk, stop), name="letters", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _keep_house(desk: Desk, stop: threading.Event) -> None:
    forgot_at: datetime | None = None
    while not stop.is_set():
        try:
            letters.send(desk, stop)
            if forgot_at is None or desk.now - forgot_at >= FORGET:
                forgot_at = desk.now
                rights.forget(desk.parts)
        except Exception:  # the daemon outlives a database that is away for a while
            log.exception("housekeeping failed")
            stop.wait(30 * LOOK)
        stop.wait(LOOK)
