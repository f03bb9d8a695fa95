"""`digest run` and `digest serve`: what does the work."""

from __future__ import annotations

from datetime import datetime

import click

from digest.cli.common import (
    Moment,
    at_option,
    echo_json,
    json_option,
    load,
    logs_of,
    processes_option,
    progress,
    without_addresses,
)


@click.command()
@at_option
@click.option("--dry-run", is_flag=True, help="Do everything but send, on a copy of the store; nothing is changed.")
@processes_option
@json_option
@click.pass_context
def run(ctx: click.Context, *, at: datetime | None, dry_run: bool, processes: int, as_json: bool) -> None:
    """One pass, for cron: read the sources, choose for whoever is due, send.

    A second run on the same day sends nothing again. In a crontab:

    \b
        */10 * * * *  cd /home/ada/papers && digest run
    """
    from digest.forks import warm_up

    settings = load()
    if processes > 1:
        warm_up()  # before our own imports, which take as long
    from digest import app
    from digest.crew import crew

    hands = crew(settings, processes, logs_of(ctx), fixed=at is not None)
    with progress() as report_progress:
        report = app.run_once(settings, app.clock_at(at), report_progress, dry_run=dry_run, crew=hands)
    if as_json:
        echo_json(report.as_json())
    else:
        click.echo(("dry run, nothing was sent; " if dry_run else "") + without_addresses(report.line()))
        if report.sync and (ignored := len(report.sync.left) + len(report.sync.elsewhere)):
            click.echo(f"{ignored} of the roster unsubscribed or signed up on the web; see: digest status", err=True)
    ctx.exit(1 if report.failed else 0)


@click.command()
@click.option("--at", type=Moment(), hidden=True)
@click.option("--speed", type=click.FloatRange(0, min_open=True), default=1.0, hidden=True)
def serve(*, at: datetime | None, speed: float) -> None:
    """Stay and do all of it: a pass every minute for whoever is due, until SIGTERM or Ctrl-C.

    \b
        digest serve
    """
    from digest import schedule

    schedule.serve(load, schedule.Replay(at, speed) if at else None)


COMMANDS = (run, serve)
