"""What a reader says of one paper: a page with buttons, and in words what pressing one changed."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute

from digest.subscription import opinions
from digest.subscription.desk import Link, Purpose
from digest.subscription.opinions import Word
from digest.web.visit import House, Visit, route


def routes(house: House) -> Sequence[BaseRoute]:
    """The pages of this file."""
    return (route(house, "/feedback/{signed:path}", feedback, "GET", "POST"),)


def feedback(visit: Visit) -> Response:
    """Show the paper and the buttons, or record what was pressed."""
    link = visit.link(Purpose.FEEDBACK)
    done, author = "", visit.text("hide") or visit.text("show")
    if visit.posted:
        done = _author(visit, link, author) if author else _word(visit, link)
    shown = opinions.look(visit.desk, link.subscriber, link.issue, link.paper)
    if shown is None:
        raise HTTPException(410)
    return visit.page(
        "feedback",
        shown=shown,
        verb=link.verb.value if link.verb else "more",
        done=done,
        author=author,
        preferences=visit.desk.links.preferences(link.subscriber),
        archive=visit.desk.links.archive(link.subscriber),
    )


def _word(visit: Visit, link: Link) -> str:
    try:
        word = Word(visit.text("word"))
    except ValueError:
        raise HTTPException(400) from None
    if not opinions.say(visit.desk, link.subscriber, link.paper, word):
        raise HTTPException(410)
    return word.value


def _author(visit: Visit, link: Link, author: str) -> str:
    hidden = bool(visit.text("hide"))
    if not opinions.hide_author(visit.desk, link.subscriber, link.paper, author, hidden=hidden):
        raise HTTPException(400)
    return "hide" if hidden else "show"
