"""Everything on this machine with nothing configured: papers, ranking, mail over SMTP, a mailbox to read it in.

It makes the same pass as `digest run`, for the sample roster, in a temporary folder that is gone afterwards. Papers are
live where the network allows, and else those of the built-in sample day.

* `upstream` decides where the papers come from
* `moment` decides what time it is, so that everybody is due
* `mail_server` takes the mails
* `account` says what went to whom, and why
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from digest import app, inbox
from digest.demo.account import Account
from digest.demo.mail_server import mail_server
from digest.demo.moment import Moment, latest_moment
from digest.demo.upstream import UPSTREAM_SETTINGS, sample_day, silence
from digest.errors import DigestError, UsageError
from digest.settings import Settings

PORT = 8025
"""Where the mailbox is shown, unless something else is there."""

Progress = Callable[[str, int, int | None], None]
Watch = Callable[[], AbstractContextManager[Progress]]


def main(settings: Settings, *, once: bool, watch: Watch) -> None:
    """Run the demo.

    Args:
        settings: the operator's; only `UPSTREAM_SETTINGS` are used.
        once: end when everything is told, instead of showing the mailbox until Ctrl-C.
        watch: shows progress while its block runs.

    Raises:
        DigestError: something failed, and what.
    """
    given = settings.model_dump(include=UPSTREAM_SETTINGS, exclude_unset=True)
    with tempfile.TemporaryDirectory(prefix="digest-demo-") as folder:
        home = Path(folder)
        kept = _settings(home)
        mailbox = app.mailbox(kept)
        with mail_server(lambda message: mailbox.send(message, lambda: None)) as smtp_url, watch() as progress:
            account = _account(home, given | {"smtp_url": smtp_url}, progress)
        account.show()
        if account.problem:
            raise DigestError(account.problem)
        if once:
            click.echo("All of it was in a temporary folder and is gone.")
            click.echo("In a terminal, `digest demo` shows the mails in the browser.")
        else:
            _stay(kept)


def sample_roster() -> Path:
    """Who gets the demo's mails: inside the wheel, or at the top of a checkout."""
    package = Path(__file__).parents[1]
    packaged = package / "sample" / "subscribers.yaml"
    return packaged if packaged.is_file() else package.parent / "subscribers.yaml"


def _account(home: Path, given: dict[str, Any], progress: Progress) -> Account:
    """Of a pass with live papers, or with those of the sample day where no live ones come."""
    live = _settings(home / "live", **given)
    roster = app.roster(live)
    moment = latest_moment([profile.schedule for profile in roster.profiles] if roster else [], app.system_clock())
    progress("asking Hugging Face", 0, None)
    why = silence(live)
    if not why:
        account = _pass(live, "live, from Hugging Face and arXiv", moment, progress)
        if account.sent:
            return account
        why = f"nothing to mail from them: {', '.join(account.sources)}"
    with sample_day(moment.at.date()) as urls:
        papers = f"invented: the built-in sample day, because live ones could not be had ({why})"
        return _pass(_settings(home / "sample", **(given | urls)), papers, moment, progress)


def _pass(settings: Settings, papers: str, moment: Moment, progress: Progress) -> Account:
    report = app.run_once(settings, app.clock_at(moment.at), progress)
    account = Account(
        papers=papers,
        moment=moment,
        sources=tuple(f"{p.source}: {p.failure or f'{p.listings} papers'}" for p in report.pulled),
        digests=tuple(reversed(app.digests(settings))),
    )
    return account if account.all_is_well else replace(account, problem=f"not every digest was sent: {report.line()}")


def _stay(settings: Settings) -> None:
    with ExitStack() as stack:
        try:
            address = stack.enter_context(inbox.running(settings, port=PORT))
        except UsageError:  # taken, perhaps by another demo
            address = stack.enter_context(inbox.running(settings))
        click.echo(f"Read the mails at {address} (Ctrl-C ends, and removes them)")
        inbox.wait_for_the_end()


def _settings(home: Path, **given: Any) -> Settings:
    return Settings(home=home, roster=sample_roster(), **given)
