"""`digest preview`, `why` and `status`: look, change nothing."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from digest.cli.common import at_option, echo_json, json_option, load, progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from digest.app import Explanation, Preview
    from digest.settings import Settings


@click.command()
@click.argument("email", required=False)
@at_option
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Write the files into this folder.")
@click.option("--open", "open_", is_flag=True, help="Show the HTML in the browser.")
@click.option("--watch", is_flag=True, help="Serve it as a page that follows your changes to the templates.")
@json_option
def preview(
    email: str | None, *, at: datetime | None, out: Path | None, open_: bool, watch: bool, as_json: bool
) -> None:
    """Show exactly the message that would go to EMAIL (the first subscriber if left out), changing nothing.

    \b
        digest preview ada@example.org --open
        digest preview ada@example.org --at 2026-02-04T07:00 --out out/
        digest preview --watch --open
    """
    from digest import app

    if watch:
        if out or as_json:
            raise click.UsageError("--watch serves a page; it goes with neither --out nor --json")
        _watch(email, at, open_=open_)
        return
    with progress() as report_progress:
        shown = app.preview(load(), email, app.clock_at(at), report_progress)
    files = _write(shown, out) if out or open_ else {}
    if as_json:
        echo_json(_as_json(shown, files))
    elif files:
        for path in files.values():
            click.echo(path)
    else:
        click.echo(f"Subject: {shown.written.subject}\n\n{shown.written.text}", nl=False)
    if shown.delivery:
        click.echo(f"(this issue exists already: {shown.delivery.state.value})", err=True)
    if open_:
        click.launch(files["html"].as_uri())


@click.command()
@click.argument("email")
@click.argument("paper")
@at_option
@json_option
def why(email: str, paper: str, *, at: datetime | None, as_json: bool) -> None:
    """Show how PAPER scores for EMAIL, term by term, and why it is picked or not.

    \b
        digest why ada@example.org 2602.01785
    """
    from dataclasses import asdict

    from digest import app

    with progress() as report_progress:
        explanation = app.why(load(), email, paper, app.clock_at(at), report_progress)
    if as_json:
        echo_json(asdict(explanation))
    else:
        for line in _explained(explanation):
            click.echo(line)


@click.command()
@json_option
def status(*, as_json: bool) -> None:
    """Show how things stand: sources, last pass, queue by state, people, roster against store.

    \b
        digest status --json
    """
    from digest import app

    settings = load()
    found = app.status(settings) | _cluster(settings)
    if as_json:
        echo_json(found)
        return
    for heading, lines in _status_lines(found).items():
        click.secho(heading, bold=True)
        for line in lines:
            click.echo(f"  {line}")


def _watch(email: str | None, at: datetime | None, *, open_: bool) -> None:
    from digest import app, inbox, watching

    settings = load()
    with progress() as report_progress:
        digest, _ = app.picked(settings, email, app.clock_at(at), report_progress)
    folder = (settings.home / "templates" / "mail").absolute()
    with watching.running(settings, digest) as address:
        click.echo(f"The mail follows {folder} at {address} (Ctrl-C ends)")
        if open_:
            click.launch(address)
        inbox.wait_for_the_end()


def _explained(found: Explanation) -> Iterator[str]:
    """The verdict, every summand of the score, and every interest with the words that did the work."""
    where = f" for {found.section.value}" if found.section else ""
    rank = f", number {found.rank} by score" if found.rank else ""
    yield f"{found.paper_id}: {found.verdict.value}{where}{rank}" + (f" ({found.detail})" if found.detail else "")
    if not found.parts:
        return
    yield f"relevance {found.relevance:.2f}; below {found.floor:.2f} a paper is not worth a reader's minute"
    yield ""
    width = max(len(part.name) for part in found.parts)
    for part in found.parts:
        yield f"  {part.name:<{width}}  {part.value:+.2f}"
    yield f"  {'total':<{width}}  {found.total:+.2f}"
    for interest in found.interests:
        weight = f", weight {interest.weight:g}" if interest.weight != 1 else ""
        yield ""
        subject = repr(interest.subject) if interest.subject else "papers"
        yield f"{interest.kind.value} {subject}: {interest.value:.2f}{weight}"
        for term in interest.terms:
            yield f"  {term.text}  {term.value:+.2f}"


def _cluster(settings: Settings) -> dict[str, Any]:
    """Queues and workers, where the database can have them."""
    if settings.database_url.startswith("sqlite"):
        return {}
    from digest.cluster.looking import look
    from digest.cluster.worker import conninfo

    found = look(conninfo(settings), settings.database_password)
    return {"cluster": found} if found else {}


def _write(shown: Preview, out: Path | None) -> dict[str, Path]:
    import tempfile

    folder = out or Path(tempfile.mkdtemp(prefix="digest-preview-"))
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{shown.digest.subscriber.email}-{shown.digest.issue}".replace("/", "_")
    contents = {
        "eml": shown.written.message.data,
        "html": shown.written.html.encode(),
        "txt": shown.written.text.encode(),
    }
    files = {kind: (folder / f"{stem}.{kind}").absolute() for kind in contents}
    for kind, data in contents.items():
        files[kind].write_bytes(data)
    return files


def _as_json(shown: Preview, files: dict[str, Path]) -> dict[str, Any]:
    return {
        "email": shown.digest.subscriber.email,
        "issue": shown.digest.issue.isoformat(),
        "state": shown.delivery.state.value if shown.delivery else None,
        "subject": shown.written.subject,
        "message_id": shown.written.message_id,
        "considered": shown.digest.considered,
        "picks": [
            {
                "id": pick.paper.id,
                "title": pick.paper.title,
                "section": pick.section.value,
                "score": round(pick.score, 4),
                "reasons": [{"kind": r.kind.value, "subject": r.subject, "terms": r.terms} for r in pick.reasons],
            }
            for pick in shown.digest.picks
        ],
        "files": {kind: str(path) for kind, path in files.items()},
    }


def _status_lines(found: dict[str, Any]) -> dict[str, list[str]]:
    def pairs(values: dict[str, Any]) -> list[str]:
        return [f"{name}: {value}" for name, value in values.items()] or ["none"]

    sources = [
        f"{name}: {'FAILING since ' + s['failing_since'] + ': ' + s['failure'] if s['failure'] else 'fine'}"
        f", last read {s['succeeded_at'] or 'never'}"
        for name, s in found["sources"].items()
    ]
    return {
        "Sources": sources or ["never read"],
        "Last pass": [
            found["last_run"] or "none yet",
            *([f"sign of life, left every half hour: {found['alive_at']}"] if found["alive_at"] else []),
        ],
        "Deliveries": pairs(found["deliveries"]),
        "Came back in 30 days": [*pairs(found["returned"]), f"addresses never written to: {found['suppressed']}"],
        "Subscribers": [*pairs(found["subscribers"]), f"next due: {found['next_due_at'] or 'nobody'}"],
        "Roster": found["roster"],
        "Store": pairs(found["store"] | {"sizes": _sizes(found["store"]["sizes"])}),
        **({"Cluster": pairs(found["cluster"])} if "cluster" in found else {}),
    }


def _sizes(found: dict[str, int]) -> str:
    rows = (f"{number:,} {table}" for table, number in found.items() if table != "bytes")
    return f"{found['bytes'] / 1e6:,.1f} MB; {', '.join(rows)}"


COMMANDS = (preview, why, status)
