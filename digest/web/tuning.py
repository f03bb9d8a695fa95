"""Preferences: what a signed link may tune, and, while it is fresh, taking one's data along or having it deleted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from zoneinfo import ZoneInfo

from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute

from digest.models import Profile, Subscriber, SubscriberState
from digest.subscription import opinions, preferences, reading, rights, signup
from digest.subscription.desk import Purpose, Sheet, Words
from digest.subscription.opinions import Word
from digest.subscription.preferences import Preferences
from digest.web import forms
from digest.web.forms import Fields
from digest.web.joining import PREVIEWS
from digest.web.languages import LANGUAGES
from digest.web.visit import House, Visit, route


def routes(house: House) -> Sequence[BaseRoute]:
    """The pages of this file."""
    base = "/preferences/{signed}"
    return (
        route(house, base, tune, "GET", "POST"),
        route(house, f"{base}/preview", preview, "POST"),
        route(house, f"{base}/preview/part", preview_part, "POST"),
        route(house, f"{base}/pause", pause, "POST"),
        route(house, f"{base}/resume", resume, "POST"),
        route(house, f"{base}/undo", undo, "POST"),
        route(house, f"{base}/link", link, "POST"),
        route(house, f"{base}/export", export, "POST"),
        route(house, f"{base}/erase", erase, "POST"),
    )


def tune(visit: Visit) -> Response:
    """Show the preferences, or take them over."""
    found = _look(visit)
    if not visit.posted:
        note = _note(visit.request.query_params.get("done", ""), visit.words)
        return _page(visit, found, forms.of(found.person.profile), note=note)
    if not _subscribed(found.person):
        raise HTTPException(410)
    fields = _given(visit, found.person)
    wanted, problems = _wanted(visit, fields, found.person)
    if wanted is None:
        return _page(visit, found, fields, problems, status=422)
    preferences.change(visit.desk, found.person.token, wanted)
    return _back(visit, "saved")


def preview(visit: Visit) -> Response:
    """The page with what a digest would hold for what is typed; nothing is kept."""
    found = _look(visit)
    fields = _given(visit, found.person)
    wanted, problems = _wanted(visit, fields, found.person)
    if wanted is None:
        return _page(visit, found, fields, problems, status=422)
    sheet = _sheet(visit, fields, found.person)
    return _page(
        visit, found, fields, sheet=sheet, note=visit.words.gettext("This is a preview; nothing is saved yet.")
    )


def preview_part(visit: Visit) -> Response:
    """Only the preview; for the script that keeps it up to date."""
    found = _look(visit)
    fields = _given(visit, found.person)
    sheet = _sheet(visit, fields, found.person)
    if sheet is None:
        _, problems = _wanted(visit, fields, found.person)
        return visit.page("parts/problems", 422, problems=problems or [visit.words.gettext("Please wait a minute.")])
    return visit.page("parts/preview", sheet=sheet, personal=True)


def pause(visit: Visit) -> Response:
    """Nothing until a day, or until told otherwise."""
    found = _look(visit)
    text = visit.text("until").strip()
    try:
        until = date.fromisoformat(text) if text else None
    except ValueError:
        return _back(visit, "pause")
    person = preferences.pause(visit.desk, found.person.token, until)
    done = person and person.state is SubscriberState.PAUSED and person.paused_until == until
    return _back(visit, "paused" if done else "pause")


def resume(visit: Visit) -> Response:
    """End a pause."""
    found = _look(visit)
    preferences.resume(visit.desk, found.person.token)
    visit.house.wake()
    return _back(visit, "resumed")


def undo(visit: Visit) -> Response:
    """Take back a "more" or "less"."""
    found = _look(visit)
    if not opinions.say(visit.desk, found.person.token, visit.text("paper"), Word.NONE):
        raise HTTPException(404)
    return _back(visit, "undone")


def link(visit: Visit) -> Response:
    """Mail a dated link, which opens export and deletion; a digest's own link may have been forwarded."""
    found = _look(visit)
    signup.send_link(visit.desk, found.person)
    return _back(visit, "mailed")


def export(visit: Visit) -> Response:
    """Everything about me."""
    found = _fresh(visit)
    text = json.dumps(rights.export(visit.desk, found.person), ensure_ascii=False, indent=2)
    headers = {"Content-Disposition": 'attachment; filename="my-digest.json"'}
    return Response(text, media_type="application/json", headers=headers)


def erase(visit: Visit) -> Response:
    """Nothing about me."""
    found = _fresh(visit)
    if not visit.text("sure"):
        note = visit.words.gettext("Nothing was deleted: please tick the box that says so.")
        return _page(visit, found, forms.of(found.person.profile), note=note, status=422)
    never_again = bool(visit.text("never"))
    rights.erase(visit.desk, found.person, never_again=never_again)
    return visit.page("erased", never_again=never_again)


def _look(visit: Visit) -> Preferences:
    found = preferences.look(visit.desk, visit.link(Purpose.PREFERENCES).subscriber)
    if found is None:
        raise HTTPException(410)
    return found


def _fresh(visit: Visit) -> Preferences:
    visit.link(Purpose.PREFERENCES, preferences.DATED_LIFE)
    return _look(visit)


def _given(visit: Visit, person: Subscriber) -> Fields:
    fields = forms.given(visit)
    return forms.with_address(fields, person.email)


def _wanted(visit: Visit, fields: Fields, person: Subscriber) -> tuple[Profile | None, list[str]]:
    return forms.profile(fields, visit.words, forms.of(person.profile))


def _subscribed(person: Subscriber) -> bool:
    return person.state in {SubscriberState.ACTIVE, SubscriberState.PAUSED}


def _sheet(visit: Visit, fields: Fields, person: Subscriber) -> Sheet | None:
    wanted, _ = _wanted(visit, fields, person)
    if wanted is None or not signup.allow(visit.desk, "preview", person.token, *PREVIEWS):
        return None
    return reading.sheet(visit.desk, reading.preview(visit.desk, wanted, person))


def _page(
    visit: Visit,
    found: Preferences,
    fields: Fields,
    problems: Sequence[str] = (),
    *,
    note: str = "",
    sheet: Sheet | None = None,
    status: int = 200,
) -> Response:
    person = found.person
    if sheet is None and _subscribed(person):
        sheet = reading.sheet(visit.desk, reading.preview(visit.desk, person.profile, person))
    return visit.page(
        "preferences",
        status,
        found=found,
        person=person,
        next_due=person.next_due_at.astimezone(ZoneInfo(person.schedule.zone)) if person.next_due_at else None,
        masked=_masked(person.email),
        subscribed=_subscribed(person),
        fields=fields,
        problems=problems,
        note=note,
        sheet=sheet,
        fresh=visit.fresh(Purpose.PREFERENCES, preferences.DATED_LIFE),
        here=_here(visit),
        unsubscribe=visit.desk.links.unsubscribe(person.token),
        archive=visit.desk.links.archive(person.token),
        suggested=reading.suggestions(visit.desk),
        zones=forms.zones(),
        days=forms.DAYS,
        weights=forms.weights(visit.words),
        languages=LANGUAGES,
        quiet=forms.quiet(visit.words),
    )


def _note(done: str, w: Words) -> str:
    """What the page says after an action; the address holds the key only."""
    _ = w.gettext
    notes = {
        "saved": _("Saved. The next digest goes by it."),
        "paused": _("Paused. Nothing is sent until then."),
        "resumed": _("Welcome back. Digests are sent again."),
        "mailed": _("A link that opens your data is on its way to your address; it works for one hour."),
        "undone": _("Taken back."),
        "pause": _("The pause was not changed: choose a day from tomorrow on, at most a year away."),
    }
    return notes.get(done, "")


def _masked(email: str) -> str:
    """An address that its owner knows again, and whoever got a forwarded link does not learn."""
    local, _, domain = email.rpartition("@")
    return f"{local[:1]}…@{domain}"


def _back(visit: Visit, done: str) -> Response:
    return RedirectResponse(f"{_here(visit)}?done={done}", 303)


def _here(visit: Visit) -> str:
    return f"{visit.house.pages.base}/preferences/{visit.request.path_params['signed']}"
