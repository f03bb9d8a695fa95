"""`digest doctor`: what would go wrong tomorrow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from digest.cli.common import echo_json, json_option, load

if TYPE_CHECKING:
    from digest.doctor import Finding

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command()
@json_option
@click.pass_context
def doctor(ctx: click.Context, *, as_json: bool) -> None:
    """Look at everything that has to work tomorrow: settings, database, relay, DNS, clock. Nothing is changed.

    Ends with 1 when something has to be mended, so that a monitor may ask.

    \b
        digest doctor
        digest doctor --json
    """
    from dataclasses import asdict

    from digest.doctor import Finding, Level, examine
    from digest.errors import SettingsError

    failed, shown = False, []
    try:
        settings = load()
        findings = examine(settings)
    except SettingsError as error:
        findings = (Finding.fail("settings", problem, "mend it there") for problem in error.problems)
    for finding in findings:
        failed = failed or finding.level is Level.FAIL
        shown.append(asdict(finding))
        if not as_json:
            _show(finding)
    if as_json:
        echo_json(shown)
    ctx.exit(1 if failed else 0)


def _show(finding: Finding) -> None:
    click.secho(f"{finding.level.value:<5}", fg=COLOURS[finding.level.value], bold=True, nl=False)
    click.echo(f"{finding.check}: {finding.text}")
    if finding.advice:
        click.echo(f"      -> {finding.advice}")


COMMANDS = (doctor,)
