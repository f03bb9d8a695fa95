"""The way in: the landing page, the form, the confirmation, and "it was not me"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute

from digest.errors import UsageError
from digest.models import Profile
from digest.subscription import reading, signup
from digest.subscription.desk import Purpose
from digest.subscription.signup import Gate
from digest.web import forms
from digest.web.forms import Fields
from digest.web.languages import LANGUAGES
from digest.web.visit import House, Visit, route

FORM = "sign-up"
"""What the form's stamp is for."""
PREVIEWS = (60, 2.0)
"""Previews cost a ranking each: so many at once, then one each so many seconds, per network."""
LINKS = (10, 120.0)
PROOF = 6
"""Papers that the landing page shows of today."""


def routes(house: House) -> Sequence[BaseRoute]:
    """The pages of this file."""
    return (
        route(house, "/", landing),
        route(house, "/subscribe", subscribe, "POST"),
        route(house, "/preview", preview, "POST"),
        route(house, "/preview/part", preview_part, "POST"),
        route(house, "/confirm/{signed}", confirm, "GET", "POST"),
        route(house, "/not-me/{signed}", not_me, "GET", "POST"),
        route(house, "/link", link, "GET", "POST"),
    )


def landing(visit: Visit) -> Response:
    """What it is, what it would have brought today, and the form."""
    answer = _form(visit, Fields(language=visit.words.locale.language))
    answer.headers["X-Robots-Tag"] = "all"
    return answer


def subscribe(visit: Visit) -> Response:
    """Take the form; the answer is the same for every address."""
    fields = forms.given(visit)
    _ = visit.words.gettext
    wanted, problems = forms.profile(fields, visit.words)
    if visit.text("website"):  # a field that people do not see
        return visit.page("sent", email=fields.email[:200])
    if wanted is None:
        return _form(visit, fields, problems, status=422)
    age = visit.desk.seal.age(FORM, visit.text("stamp"), visit.desk.now)
    if age is None or not signup.YOUNGEST <= age <= signup.OLDEST:
        return _form(
            visit, fields, [_("That went very fast, or very slowly. Please look it over and send it again.")], 422
        )
    match signup.admit(visit.desk, wanted.email, visit.network):
        case Gate.OPEN:
            # after the answer, so that its time says nothing of the address
            later = BackgroundTask(signup.sign_up, visit.desk, wanted, visit.network, visit.words.locale.language)
            answer = visit.page("sent", email=wanted.email)
            answer.background = later
            return answer
        case Gate.CAPPED:
            return visit.page(
                "failure", 429, title=_("Too many sign-ups right now"), text=_("Please try again in an hour.")
            )
        case Gate.CLOSED:
            return visit.page("failure", 503, title=_("Signing up is closed"), text=_("Please try again later."))


def preview(visit: Visit) -> Response:
    """The landing page with what a digest would hold for what is typed; for browsers without scripts."""
    fields = forms.given(visit)
    wanted, problems = forms.for_preview(fields, visit.words)
    if wanted is None or not _may_preview(visit):
        waits = visit.words.gettext("Too many previews from your network; please wait a minute.")
        return _form(visit, fields, problems or [waits], 422)
    return _form(visit, fields, wanted=wanted)


def preview_part(visit: Visit) -> Response:
    """Only the preview; for the script that keeps it up to date."""
    wanted, problems = forms.for_preview(forms.given(visit), visit.words)
    if wanted is None:
        return visit.page("parts/problems", 422, problems=problems)
    if not _may_preview(visit):
        raise HTTPException(429)
    return visit.page("parts/preview", **_preview(visit, wanted))


def confirm(visit: Visit) -> Response:
    """One button; pressing it twice does no harm."""
    found = visit.link(Purpose.CONFIRM, signup.link_life())
    if not visit.posted:
        return visit.page("confirm", wording=signup.wording(visit.words))
    confirmed = signup.confirm(visit.desk, found.subscriber, found.at, visit.network)
    if confirmed is None:
        raise HTTPException(410)
    visit.house.wake()
    preferences = visit.desk.links.preferences(confirmed.person.token)
    return visit.page("confirmed", person=confirmed.person, again=confirmed.again, preferences=preferences)


def not_me(visit: Visit) -> Response:
    """For whoever was signed up by another."""
    found = visit.link(Purpose.NOT_ME)
    if visit.posted:
        signup.not_me(visit.desk, found.subscriber)
    return visit.page("not_me", done=visit.posted)


def link(visit: Visit) -> Response:
    """Mail somebody their links again; the answer is the same for every address."""
    _ = visit.words.gettext
    if not visit.posted:
        return visit.page("link", problem="", done=False)
    try:
        address = signup.address_of(visit.text("email"))
    except UsageError:
        problem = _("This is not an e-mail address that mail can be sent to.")
        return visit.page("link", 422, problem=problem, done=False)
    if not signup.allow(visit.desk, "links", visit.network, *LINKS):
        problem = _("Too many requests right now. Please try again later.")
        return visit.page("link", 429, problem=problem, done=False)
    answer = visit.page("link", problem="", done=True)
    answer.background = BackgroundTask(signup.send_link_to, visit.desk, address)
    return answer


def _form(
    visit: Visit, fields: Fields, problems: Sequence[str] = (), status: int = 200, *, wanted: Profile | None = None
) -> Response:
    """The landing page; beside the form what would come for *wanted*, or what is trending."""
    return visit.page(
        "landing",
        status,
        fields=fields,
        problems=problems,
        suggested=reading.suggestions(visit.desk),
        stamp=visit.desk.seal.stamp(FORM, visit.desk.now),
        wording=signup.wording(visit.words),
        zones=forms.zones(),
        days=forms.DAYS,
        languages=LANGUAGES,
        **_preview(visit, wanted),
    )


def _preview(visit: Visit, wanted: Profile | None) -> dict[str, Any]:
    """The variables of `parts/preview.html`."""
    digest = reading.preview(visit.desk, wanted) if wanted else reading.trending(visit.desk, PROOF)
    return {
        "sheet": reading.sheet(visit.desk, digest, "" if wanted else visit.words.locale.language),
        "personal": bool(wanted and wanted.interests),
        "unknown": reading.unknown(visit.desk, wanted) if wanted else [],
    }


def _may_preview(visit: Visit) -> bool:
    return signup.allow(visit.desk, "preview", visit.network, *PREVIEWS)
