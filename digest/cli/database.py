"""`digest db`: bring the database up to date, back it up, move it."""

from __future__ import annotations

import click

from digest.cli.common import echo_json, json_option, load, progress


@click.group()
def db() -> None:
    """Upgrade, back up or move the database."""


@db.command()
def upgrade() -> None:
    """Bring the database's schema up to date. Every command does so too; this one does nothing else.

    \b
        digest db upgrade
    """
    from digest import app

    before, now = app.upgrade(load())
    click.echo(
        f"the schema is at {now}, as before" if before == now else f"the schema went from {before or 0} to {now}"
    )


@db.command()
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@json_option
def copy(source: str, target: str, *, as_json: bool) -> None:
    """Copy all of the database FROM into the empty database TO, while others use FROM.

    A server's password is taken from DIGEST_DATABASE_PASSWORD. Copy with the daemon stopped when you move, so that
    nothing is sent in between; a backup needs no stop.

    \b
        digest db copy sqlite:///var/digest.sqlite postgresql://digest@db.example.org/digest
        digest db copy sqlite:///var/digest.sqlite sqlite:///backup/monday.sqlite
    """
    from digest import app

    with progress() as report_progress:
        copied = app.copy_database(load(), source, target, report_progress)
    if as_json:
        echo_json(copied)
    else:
        click.echo(f"copied {sum(copied.values()):,} rows of {sum(map(bool, copied.values()))} tables")


COMMANDS = (db,)
"""For `digest.cli.main`."""
