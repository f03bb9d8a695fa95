"""The way out (RFC 8058 for the mailbox's own button).

A POST ends the subscription, whatever its body is: urlencoded or multipart, with or without fields, from anywhere. The
answer is never a redirect. Only a page of ours asks for HTML, by a field of its form.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute

from digest.subscription import leaving
from digest.subscription.desk import Purpose
from digest.subscription.leaving import Fewer
from digest.web.visit import House, Visit, route


def routes(house: House) -> Sequence[BaseRoute]:
    """The pages of this file."""
    out = route(house, "/unsubscribe/{signed}", unsubscribe, "GET", "POST", lenient=True)
    return (out, route(house, "/unsubscribe/{signed}/back", come_back, "POST"))


def unsubscribe(visit: Visit) -> Response:
    """One button; or the mailbox's own."""
    found = visit.link(Purpose.UNSUBSCRIBE)
    if not visit.posted:
        return visit.page("unsubscribe")
    receipt = leaving.leave(visit.desk, found.subscriber)
    if not visit.text("page"):
        return PlainTextResponse(f"{visit.words.gettext('You have unsubscribed')}.\n")
    return visit.page("left", receipt=receipt, person=None, signed=visit.request.path_params["signed"])


def come_back(visit: Visit) -> Response:
    """What is offered on the page that says goodbye, for an hour."""
    found = visit.link(Purpose.UNSUBSCRIBE)
    try:
        choice = Fewer(visit.text("choice"))
    except ValueError:
        raise HTTPException(400) from None
    person = leaving.come_back(visit.desk, found.subscriber, visit.text("receipt"), choice)
    if person is None:
        raise HTTPException(410)
    return visit.page("left", receipt="", person=person, signed="")
