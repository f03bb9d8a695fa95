"""What the commands share: options, settings, clocks, progress, logs."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import click
import structlog
from pydantic_core import PydanticSerializationError, to_json

from digest import settings as configuration
from digest.settings import Settings


class Moment(click.ParamType[datetime]):
    """A date and time; in UTC unless it says otherwise."""

    name = "ISO"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """`2026-02-04T07:00`, `2026-02-04T07:00+01:00`, `2026-02-04`."""
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no date and time such as 2026-02-04T07:00 or 2026-02-04T07:00+01:00", param, ctx)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


at_option = click.option(
    "--at", type=Moment(), help="Act as if it were this moment (UTC unless it names an offset); for replays."
)
processes_option = click.option(
    "--processes", type=click.IntRange(1), default=1, show_default=True, help="Use so many processor cores."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def load(**overrides: Any) -> Settings:
    """The settings; every problem at once."""
    return configuration.load(**overrides)


def echo_json(value: Any) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


_MAILBOX = re.compile(r"[^\s<>\"'`(),;:=?&/]+@(?=[\w\[])")


def without_addresses(text: str) -> str:
    """*text* with domains only: relays repeat a reader's address in their replies, and logs are shown around."""
    return _MAILBOX.sub("…@", text)


def _discreet(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in event.items():
        if isinstance(value, str) and "@" in value:
            event[name] = without_addresses(value)
    return event


def _as_line(event: MutableMapping[str, Any], **_: Any) -> str:
    """JSON, at a fraction of what `json.dumps` takes: there is a line for each mail."""
    try:
        return to_json(event, fallback=repr).decode()
    except PydanticSerializationError:  # a lone surrogate, as in the name of a file that is no UTF-8
        return json.dumps(event, default=repr)


def configure_logs(*, verbose: bool, terminal: bool) -> None:
    """Words for a person at a terminal, JSON lines for a log; always on standard error."""
    level = logging.INFO if verbose or not terminal else logging.WARNING
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if terminal
        else structlog.processors.JSONRenderer(_as_line)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([] if terminal else [structlog.processors.format_exc_info]),
            _discreet,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )


def logs_of(ctx: click.Context) -> Callable[[], None]:
    """Configures logs in another process as they are here."""
    return partial(configure_logs, verbose=ctx.find_root().params["verbose"], terminal=sys.stderr.isatty())


def no_progress(_what: str, _done: int, _total: int | None) -> None:
    """Nobody is watching."""


@contextmanager
def progress() -> Iterator[Any]:
    """A progress callback: a moving line on a terminal, silence elsewhere (the log says the outcome)."""
    if not sys.stderr.isatty():
        yield no_progress
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, Any] = {}

        def report(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield report
