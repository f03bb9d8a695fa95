"""What the demo did, on the terminal: a table for each reader, coloured there and plain elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from digest import app
from digest.demo.moment import Moment
from digest.models import Delivery, DeliveryState, Digest, Interests, Pick, Section

SECTIONS = {Section.FOR_YOU: "For you", Section.TRENDING: "Trending", Section.QUIETER: "Quieter"}


@dataclass(frozen=True, slots=True)
class Account:
    """A pass, for telling."""

    papers: str
    """Where they came from."""
    moment: Moment
    sources: tuple[str, ...]
    """What each of them said."""
    digests: tuple[tuple[Digest, Delivery], ...]
    problem: str = ""
    """What went wrong; empty when all is well."""

    @property
    def sent(self) -> int:
        """How many digests the mail server took."""
        return sum(delivery.state is DeliveryState.SENT for _, delivery in self.digests)

    @property
    def all_is_well(self) -> bool:
        """Whether somebody got a digest, and everybody else had nothing to get."""
        well = {DeliveryState.SENT, DeliveryState.EMPTY}
        return self.sent > 0 and all(delivery.state in well for _, delivery in self.digests)

    def show(self) -> None:
        """Print it."""
        console = Console(highlight=False)
        facts = Table.grid(padding=(0, 2))
        for name, value in (
            ("Papers", self.papers),
            ("Sources", "\n".join(self.sources)),
            ("Clock", str(self.moment)),
            ("Mail", f"{self.sent} of {len(self.digests)} digests handed over to an SMTP server on this machine"),
        ):
            facts.add_row(Text(name, "bold"), _plain(value))
        console.print(facts)
        for digest, delivery in self.digests:
            console.print()
            console.print(_heading(digest, delivery))
            console.print(_picks(digest.picks, digest.subscriber.profile.language))
        console.print()


def _heading(digest: Digest, delivery: Delivery) -> Text:
    reader, schedule = digest.subscriber, digest.subscriber.schedule
    name = f"{reader.profile.name} <{reader.email}>" if reader.profile.name else reader.email
    return Text.assemble(
        (_line(name), "bold cyan"),
        f"  {schedule.at:%H:%M} {schedule.zone}, {digest.issue:%a %d %b}; ",
        f"{delivery.state.value}: {len(digest.picks)} of {digest.considered} papers\n",
        (_line(_wishes(digest.subscriber.interests)), "dim"),
    )


def _wishes(interests: Interests) -> str:
    wishes = [
        *(topic.phrase for topic in interests.topics),
        *interests.authors,
        *interests.categories,
        *(f"like {paper}" for paper in interests.liked),
        *(f"not {word}" for word in interests.muted),
    ]
    return f"Follows {', '.join(wishes)}" if interests else "Follows nothing in particular: gets what is trending"


def _picks(picks: Iterable[Pick], language: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")
    table.add_column("Section", no_wrap=True)
    table.add_column("Score", justify="right", no_wrap=True)
    table.add_column("Paper, and why", overflow="fold")
    for pick in picks:
        paper = Text.assemble(_line(pick.paper.title), "\n", (_line(app.reason_text(pick, language)), "green"))
        table.add_row(SECTIONS[pick.section], f"{pick.score:.2f}", paper)
    return table


def _plain(text: str) -> Text:
    return Text("\n".join(map(_line, text.split("\n"))))


def _line(text: str) -> str:
    """Without anything that could command a terminal: titles are written by strangers."""
    return "".join(char if char.isprintable() else " " for char in text)
