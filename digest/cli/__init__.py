"""The terminal: `digest COMMAND`. Says what happened in words, or as JSON, and in its exit code.

0 done; 1 something failed and was reported; 2 the command was used wrongly; 3 settings or roster are wrong.
"""

from __future__ import annotations

import os
import sys

# Before numpy is imported: its products here are small, and a second thread that spins beside them doubles the CPU time
# of a pass on a shared machine (measured: 15.8 s against 7.7 s of CPU on two busy cores).
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import click

from digest.cli import database, doctor, evaluate, looking, outbox, passes, people, showing, workers
from digest.cli.common import configure_logs
from digest.errors import DigestError, SettingsError, UsageError


class _Commands(click.Group):
    """Turns what is raised on purpose into a message and an exit code."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except SettingsError as error:
            for problem in error.problems:
                click.echo(f"digest: {problem}", err=True)
            ctx.exit(3)
        except UsageError as error:
            click.echo(f"digest: {error}", err=True)
            ctx.exit(2)
        except DigestError as error:
            click.echo(f"digest: {error}", err=True)
            ctx.exit(1)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("-v", "--verbose", is_flag=True, help="Log what is done, not only what goes wrong.")
@click.version_option(package_name="digest", message="digest %(version)s")
def main(*, verbose: bool) -> None:
    """Mail researchers the papers they would have wanted to find.

    Settings come from digest.toml in the working directory (or DIGEST_HOME), DIGEST_* variables and a secrets
    directory; people from subscribers.yaml. Try it without either: digest demo
    """
    configure_logs(verbose=verbose, terminal=sys.stderr.isatty())


for _module in (passes, looking, people, outbox, showing, doctor, database, workers, evaluate):
    for _command in _module.COMMANDS:
        main.add_command(_command)
