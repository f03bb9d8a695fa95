"""`digest outbox`: the digests on their way."""

from __future__ import annotations

import click

from digest.cli.common import echo_json, json_option, load

STATES = (
    *("planned", "claimed", "in_data", "deferred", "unknown", "sent", "failed"),
    *("expired", "suppressed", "cancelled", "empty"),
)


@click.group()
def outbox() -> None:
    """See and settle deliveries."""


@outbox.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only those in this state.")
@click.option("--limit", default=50, show_default=True, help="At most so many, newest first.")
@json_option
def list_(*, state: str | None, limit: int, as_json: bool) -> None:
    """List deliveries, newest first.

    \b
        digest outbox list --state unknown
    """
    from digest import app

    rows = app.outbox(load(), limit, state)
    if as_json:
        echo_json(rows)
        return
    if not rows:
        click.echo("no deliveries" + (f" in the state {state}" if state else ""))
    for row in rows:
        click.echo(f"{row['id']:>6}  {row['issue']}  {row['state']:<10}  {row['email']}  {row['reply']}")


@outbox.command()
@click.argument("ids", nargs=-1, required=True, type=int)
def retry(ids: tuple[int, ...]) -> None:
    """Send these deliveries again on the next pass: failed, expired or unknown ones.

    \b
        digest outbox retry 4711
    """
    from digest import app

    click.echo(f"{app.settle(load(), ids, 'planned')} of {len(ids)} will be sent on the next pass")


@outbox.command()
@click.argument("ids", nargs=-1, required=True, type=int)
@click.option("--as", "state", type=click.Choice(["sent", "failed"]), required=True, help="What became of them.")
def resolve(ids: tuple[int, ...], state: str) -> None:
    """Settle unknown deliveries after looking into the relay's log.

    \b
        digest outbox resolve 4711 --as sent
    """
    from digest import app

    click.echo(f"{app.settle(load(), ids, state)} of {len(ids)} are now {state}")


COMMANDS = (outbox,)
