"""What there is to read: trending days for everybody; issues, the reading list and the feed of one reader."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute

from digest.models import Subscriber
from digest.subscription import citations, feeds, reading, rights, signup
from digest.subscription.desk import Purpose
from digest.web.visit import House, Visit, route

ATOM = "application/atom+xml"
PUBLIC = {"Cache-Control": "public, max-age=300", "X-Robots-Tag": "all"}


def routes(house: House) -> Sequence[BaseRoute]:
    """The pages of this file."""
    archive = "/archive/{signed}"
    return (
        route(house, "/trending", trending),
        route(house, "/trending.atom", trending_feed),
        route(house, "/trending/{day}", trending),
        route(house, "/privacy", privacy),
        route(house, "/robots.txt", robots),
        route(house, "/static/{name}", static),
        route(house, "/issue/{signed}", issue),
        route(house, archive, issues),
        route(house, f"{archive}/saved", saved),
        route(house, f"{archive}/saved.bib", bibtex),
        route(house, f"{archive}/saved.ris", ris),
        route(house, f"{archive}/feed.atom", feed),
        route(house, f"{archive}/{{day}}", past_issue),
    )


def trending(visit: Visit) -> Response:
    """What others read on one day, today if none is named."""
    day = _day(visit) if "day" in visit.request.path_params else visit.desk.now.date()
    digest = reading.trending_on(visit.desk, day)
    if digest is None:
        raise HTTPException(404)
    sheet = reading.sheet(visit.desk, digest, visit.words.locale.language)
    answer = visit.page("trending", sheet=sheet, days=reading.days_with_papers(visit.desk), day=day)
    answer.headers.update(PUBLIC)
    return answer


def trending_feed(visit: Visit) -> Response:
    """What others read now, as Atom."""
    data = feeds.trending(visit.desk, reading.trending(visit.desk, 30))
    return Response(data, media_type=ATOM, headers=PUBLIC)


def privacy(visit: Visit) -> Response:
    """What is kept, why, and for how long."""
    answer = visit.page("privacy", wording=signup.wording(visit.words), kept=rights.KEPT)
    answer.headers.update(PUBLIC)
    return answer


def robots(_visit: Visit) -> Response:
    """Signed pages are nobody's to index; they say so themselves as well."""
    signed = "".join(f"Disallow: /{purpose.value}/\n" for purpose in Purpose if purpose is not Purpose.BOUNCE)
    return PlainTextResponse(f"User-agent: *\n{signed}", headers=PUBLIC)


def static(visit: Visit) -> Response:
    """Style, script, icon."""
    answer = visit.house.pages.file(visit.request.path_params["name"])
    if answer is None:
        raise HTTPException(404)
    return answer


def issue(visit: Visit) -> Response:
    """One digest in the browser."""
    link = visit.link(Purpose.WEBVIEW)
    if link.issue is None:
        raise HTTPException(404)
    return _issue(visit, link.subscriber, link.issue)


def past_issue(visit: Visit) -> Response:
    """One digest of the archive."""
    return _issue(visit, _reader(visit).token, _day(visit), links=False)


def issues(visit: Visit) -> Response:
    """Everything that was sent to one reader and is still kept."""
    person = _reader(visit)
    return visit.page("archive", issues=reading.issues(visit.desk, person), here=_here(visit))


def saved(visit: Visit) -> Response:
    """The reading list."""
    person = _reader(visit)
    return visit.page("saved", saved=reading.saved(visit.desk, person), here=_here(visit))


def bibtex(visit: Visit) -> Response:
    """The reading list for LaTeX."""
    papers = [said.paper for said in reading.saved(visit.desk, _reader(visit))]
    return _file(citations.bibtex(papers), "application/x-bibtex", "reading-list.bib")


def ris(visit: Visit) -> Response:
    """The reading list for reference managers."""
    papers = [said.paper for said in reading.saved(visit.desk, _reader(visit))]
    return _file(citations.ris(papers), "application/x-research-info-systems", "reading-list.ris")


def feed(visit: Visit) -> Response:
    """One reader's digests as Atom."""
    person = _reader(visit)
    address = f"{visit.desk.links.archive(person.token)}/feed.atom"
    data = feeds.personal(visit.desk, address, reading.latest(visit.desk, person), visit.words)
    return Response(data, media_type=ATOM)


def _issue(visit: Visit, token: str, day: date, *, links: bool = True) -> Response:
    """The page of one digest; without *links* of its reader's own where only reading was signed for."""
    digest = reading.issue(visit.desk, token, day)
    if digest is None:
        raise HTTPException(410)
    if not links:
        digest = reading.without_links(digest)
    return visit.page("issue", sheet=reading.sheet(visit.desk, digest))


def _reader(visit: Visit) -> Subscriber:
    person = reading.reader(visit.desk, visit.link(Purpose.ARCHIVE).subscriber)
    if person is None:
        raise HTTPException(410)
    return person


def _here(visit: Visit) -> str:
    return f"{visit.house.pages.base}/archive/{visit.request.path_params['signed']}"


def _day(visit: Visit) -> date:
    try:
        return date.fromisoformat(visit.request.path_params["day"])
    except ValueError:
        raise HTTPException(404) from None


def _file(text: str, media_type: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text, media_type=f"{media_type}; charset=utf-8", headers=headers)
