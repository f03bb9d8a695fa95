"""`digest worker`: one of the machines of a cluster."""

from __future__ import annotations

import click

from digest.cli.common import load, logs_of, processes_option
from digest.errors import SettingsError


@click.command()
@processes_option
@click.pass_context
def worker(ctx: click.Context, *, processes: int) -> None:
    """Work for a cluster until SIGTERM or Ctrl-C: as many workers as wanted, on as many machines, on one PostgreSQL.

    \b
        DIGEST_DATABASE_URL=postgresql://digest@db/digest digest worker --processes 4
    """
    try:
        from digest.cluster.worker import work, work_together
    except ModuleNotFoundError as error:
        raise SettingsError("digest worker needs the extra: pip install 'digest[cluster]'") from error

    settings = load()
    if processes == 1:
        work(settings)
    else:
        work_together(settings, processes, logs_of(ctx))


COMMANDS = (worker,)
