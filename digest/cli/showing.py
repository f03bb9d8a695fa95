"""`digest inbox` and `digest demo`: see it work on this machine."""

from __future__ import annotations

import sys

import click

from digest.cli.common import load, progress


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", default=8025, show_default=True, help="0 chooses a free one.")
def inbox(host: str, port: int) -> None:
    """Show the local mailbox in the browser, until Ctrl-C.

    \b
        digest inbox
    """
    from digest import inbox as pages

    pages.serve(load(), host, port)


@click.command()
@click.option("--once", is_flag=True, help="End when the mails are there, instead of showing them.")
def demo(*, once: bool) -> None:
    """Try everything on this machine with nothing configured.

    Pulls live papers where the network allows and else an invented sample day, mails the sample subscribers over real
    SMTP into a local mailbox, and shows it.

    \b
        digest demo --once
    """
    from digest import demo as show

    show.main(load(), once=once or not sys.stdout.isatty(), watch=progress)


COMMANDS = (inbox, demo)
