"""`digest evaluate`: how good the ranking is."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from digest.cli.common import at_option, echo_json, json_option, load, progress

if TYPE_CHECKING:
    from digest.app.evaluating import Looked, Measured


@click.command()
@click.argument("cases", nargs=-1, type=click.Path(path_type=Path))
@at_option
@click.option("--dump", type=click.File("w"), help="Write the order of every case here, a line of JSON each.")
@json_option
def evaluate(cases: tuple[Path, ...], *, at: datetime | None, dump: TextIO | None, as_json: bool) -> None:
    """Measure the ranking on folders of judged CASES, or on what your own readers liked.

    A folder holds papers.jsonl.gz and cases-VARIANT.jsonl.gz. Without one, the issues of the last five weeks are ranked
    anew, to see where the papers stand that readers wanted more or less of, or saved. Nothing is changed.

    \b
        digest evaluate
        digest evaluate cases/lists cases/keywords --json
    """
    from digest import app
    from digest.app import evaluating

    settings = load()
    if not cases:
        if dump:
            raise click.UsageError("--dump goes with CASES")
        with progress() as report_progress:
            looked = evaluating.look_back(settings, app.clock_at(at), report_progress)
        _show_looked(looked, as_json=as_json)
        return
    with progress() as report_progress:
        measured = list(evaluating.evaluate(settings, cases, report_progress, dump))
    _show_measured(measured, as_json=as_json)


def _show_measured(found: Sequence[Measured], *, as_json: bool) -> None:
    if as_json:
        echo_json([_as_json(each, "metrics") for each in found])
        return
    rows = [[each.set, str(each.cases), each.method, *map(str, each.metrics.values())] for each in found]
    _table(["set", "cases", "method", *found[0].metrics], rows)
    click.echo("Means over cases, with 95 % bootstrap intervals.")


def _show_looked(found: Looked, *, as_json: bool) -> None:
    if as_json:
        echo_json(_as_json(found, "liked_rank", "disliked_rank", "before") | {"enough": found.enough})
        return
    told = f"{found.liked} liked and {found.disliked} disliked papers in {found.issues} issues of the last five weeks"
    if not found.enough:
        click.echo(f"There is too little feedback to judge by: {told}.")
        return
    named = {
        "a liked paper stands at (0 is the top)": found.liked_rank,
        "a disliked paper stands at": found.disliked_rank,
        "a liked paper stands before others of its mail": found.before,
    }
    told_of = {name: values for name, values in named.items() if values}
    _table(["", *next(iter(told_of.values()))], [[name, *map(str, each.values())] for name, each in told_of.items()])
    click.echo(f"{told}, {found.candidates:.0f} candidates each; means over issues, with 95 % intervals.")


def _as_json(value: Any, *estimates: str) -> dict[str, Any]:
    from dataclasses import asdict

    named = {name: {key: each._asdict() for key, each in getattr(value, name).items()} for name in estimates}
    return asdict(value) | named


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on a terminal; Markdown elsewhere."""
    if not sys.stdout.isatty():
        for cells in (head, ["---"] * len(head), *rows):
            click.echo(f"| {' | '.join(cells)} |")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*head)
    for row in rows:
        table.add_row(*row)
    Console().print(table)


COMMANDS = (evaluate,)
