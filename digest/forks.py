"""The fork server that the processes of a crew come from: it has imported the program and runs no threads."""

from __future__ import annotations

import multiprocessing
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext


def context() -> ForkServerContext:
    """Makes processes."""
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(["digest.crew"])
    return found


def warm_up() -> None:
    """Start the server, which imports the program while the caller does the same: a second saved."""
    context()
    forkserver.ensure_running()
