"""`digest subscribers`: who gets a digest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from digest.cli.common import echo_json, json_option, load


@click.group()
def subscribers() -> None:
    """List and change who gets a digest."""


@subscribers.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """List everybody, and when their next issue is due.

    \b
        digest subscribers list
    """
    from digest import app

    rows = app.people(load())
    if as_json:
        echo_json(rows)
        return
    if not rows:
        click.echo("nobody yet; put people into subscribers.yaml, or: digest subscribers add ada@example.org")
    width = max((len(row["email"]) for row in rows), default=0)
    for row in rows:
        due = f"due {row['next_due_at']}" if row["next_due_at"] else "nothing due"
        click.echo(f"{row['email']:<{width}}  {row['state']:<12}  {row['origin']:<8}  {due}  {row['interests']}")


@subscribers.command()
@click.argument("email")
@click.option("--name", default="", help="How the mail greets them.")
@click.option("--topic", "topics", multiple=True, help="A phrase they follow; may be repeated.")
@click.option("--author", "authors", multiple=True, help="An author they follow; may be repeated.")
@click.option("--category", "categories", multiple=True, help="An arXiv category; may be repeated.")
@click.option("--like", "liked", multiple=True, help="Id of a paper they liked; may be repeated.")
@click.option("--mute", multiple=True, help="A word they do not want to read; may be repeated.")
@click.option("--zone", help="Time zone, such as Europe/Berlin.")
@click.option("--time", "at", help="When, in their zone, such as 07:00.")
@click.option("--days", help="daily, weekdays, or a list such as mon,thu.")
@click.option("--papers", type=int, help="At most so many papers a day.")
@click.option("--language", help="en or de.")
@click.option("--when-quiet", help="On a day without a match: trending, note or silence.")
@click.option("--again", is_flag=True, help="A paper they had may come once more when it trends.")
def add(**given: Any) -> None:
    """Enter EMAIL, or change what is known of them.

    \b
        digest subscribers add ada@example.org --topic "theory of mind" --zone Europe/London --time 07:30
    """
    from digest import app

    if given["days"] and given["days"] not in {"daily", "weekdays"}:
        given["days"] = given["days"].split(",")
    entry = {key: list(value) if isinstance(value, tuple) else value for key, value in given.items() if value}
    new = app.add_person(load(), entry)
    click.echo(f"{given['email']} {'is subscribed' if new else 'is changed'}")


@subscribers.command()
@click.argument("email")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="Resume by itself on this day.")
def pause(email: str, until: Any) -> None:
    """Send EMAIL nothing for a while.

    \b
        digest subscribers pause ada@example.org --until 2026-09-01
    """
    from digest import app

    day = until.date() if until else None
    app.set_state(load(), email, "paused", day)
    click.echo(f"{email} is paused" + (f" until {day}" if day else "; resume with: digest subscribers resume"))


@subscribers.command()
@click.argument("email")
def resume(email: str) -> None:
    """Send EMAIL digests again after a pause.

    \b
        digest subscribers resume ada@example.org
    """
    from digest import app

    person = app.set_state(load(), email, "active")
    click.echo(f"{email} is active; next issue due {person.next_due_at:%Y-%m-%d %H:%M} UTC")


@subscribers.command()
@click.argument("email")
def remove(email: str) -> None:
    """Stop sending to EMAIL. Somebody whom the roster names is removed there.

    \b
        digest subscribers remove ada@example.org
    """
    from digest import app

    app.remove_person(load(), email)
    click.echo(f"{email} is removed")


@subscribers.command()
@click.argument("email")
def allow(email: str) -> None:
    """Write to EMAIL again, which was given up because mail came back. Who complained or left stays away.

    \b
        digest subscribers allow ada@example.org
    """
    from digest import app

    app.allow_person(load(), email)
    click.echo(f"{email} is written to again")


@subscribers.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def import_(file: Path) -> None:
    """Enter everybody in FILE, which has the form of subscribers.yaml; all of them or nobody.

    \b
        digest subscribers import colleagues.yaml
    """
    from digest import app

    added, changed = app.import_people(load(), file)
    click.echo(f"{added} added, {changed} known before")


@subscribers.command()
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Into this file instead of the terminal.")
def export(out: Path | None) -> None:
    """Print everybody who is active or paused in the form of subscribers.yaml.

    \b
        digest subscribers export --out everybody.yaml
    """
    from digest import app

    text = app.export_people(load())
    if out:
        out.write_text(text, encoding="utf-8")
        click.echo(f"written to {out}")
    else:
        click.echo(text, nl=False)


COMMANDS = (subscribers,)
