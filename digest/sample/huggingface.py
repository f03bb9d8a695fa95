"""The sample day in the words of https://huggingface.co/api/daily_papers, as that answered in February 2026."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from digest.sample.papers import NEW_YORK, Invention, Showing, draw, hexdigits, inventions


def huggingface(day: date, today: date, *, asked: date | None = None, limit: int | None = None, page: int = 0) -> bytes:
    """The answer to `daily_papers?date={day}`.

    Args:
        day: the listing that is wanted; the sample has those of `today` and of the two days before.
        today: the sample day.
        asked: when the question is put, `today` if not given; on an earlier day there were fewer upvotes, and later
            listings were still to come.
        limit: papers on a page; all of them if not given.
        page: counted from 0.

    Returns:
        A JSON array, most upvotes first; empty where there is no listing.
    """
    asked = asked or today
    items = sorted(_shown(day, today, asked), key=lambda item: -item["paper"]["upvotes"])
    size = len(items) if limit is None else limit
    return json.dumps(items[page * size : (page + 1) * size], ensure_ascii=False).encode()


def _shown(day: date, today: date, asked: date) -> list[dict[str, Any]]:
    if day > asked:
        return []
    offset, age = (day - today).days, (asked - day).days
    return [
        _item(paper, paper.showing, today, min(age, len(paper.showing.upvotes) - 1))
        for paper in inventions()
        if paper.showing and paper.showing.day == offset
    ]


def _item(paper: Invention, shown: Showing, today: date, reading: int) -> dict[str, Any]:
    person = {
        "_id": hexdigits(paper.id, "submitter"),
        "avatarUrl": "",
        "fullname": f"reader-{hexdigits(paper.id, 'submitter')[:8]}",
        "name": f"reader-{hexdigits(paper.id, 'submitter')[:8]}",
        "type": "user",
        "isPro": draw(paper.id, "pro", below=4) == 0,
    }
    upvotes = shown.upvotes[reading]
    organization = _organization(shown)
    return {
        "paper": _paper(paper, shown, today, person, upvotes),
        "publishedAt": _stamp(_wall_clock(paper.published(today))),
        "title": paper.title,
        "summary": paper.abstract,
        **_media(paper, shown),
        **({"thumbnail": _address("thumbnails", f"papers/{paper.id}.png")} if shown.thumbnail else {}),
        "numComments": shown.comments * upvotes // max(shown.upvotes[-1], 1),
        "submittedBy": person | _standing(paper),
        **organization,
        "isAuthorParticipating": draw(paper.id, "author", below=5) == 0,
    }


def _paper(paper: Invention, shown: Showing, today: date, person: dict[str, Any], upvotes: int) -> dict[str, Any]:
    listed = datetime.combine(today + timedelta(days=shown.day), time(), UTC)
    code = {"githubRepo": _address("github", f"invented/{shown.code}"), "githubRepoAddedBy": "user"}
    return {
        "id": paper.id,
        "authors": [_author(paper, name) for name in paper.authors],
        **_media(paper, shown),
        "publishedAt": _stamp(paper.published(today)),
        "submittedOnDailyAt": _stamp(listed + timedelta(milliseconds=draw(paper.id, "listed", below=5 * 3_600_000))),
        "title": paper.title,
        "submittedOnDailyBy": {k: v for k, v in person.items() if k != "name"} | {"user": person["name"]},
        "summary": paper.abstract,
        "upvotes": upvotes,
        "discussionId": hexdigits(paper.id, "discussion"),
        **({"projectPage": _address("projects", paper.id)} if shown.project else {}),
        **(code if shown.code else {}),
        **({"ai_summary": shown.tldr, "ai_keywords": list(shown.keywords)} if shown.tldr else {}),
        **({"githubStars": shown.stars} if shown.code else {}),
        **_organization(shown),
    }


def _author(paper: Invention, name: str) -> dict[str, Any]:
    author: dict[str, Any] = {"_id": hexdigits(paper.id, name), "name": name}
    if draw(paper.id, name, "claimed", below=8) == 0:
        author |= {"status": "claimed_verified", "statusLastChangedAt": "1999-01-04T09:30:00.000Z"}
    return author | {"hidden": False}


def _standing(paper: Invention) -> dict[str, Any]:
    followers = draw(paper.id, "followers", below=40)
    return {
        "isHf": False,
        "isHfAdmin": False,
        "isMod": False,
        **({"followerCount": followers} if followers else {}),
        "isUserFollowing": False,
    }


def _organization(shown: Showing) -> dict[str, Any]:
    if not shown.organization:
        return {}
    name = shown.organization
    handle = name.replace(" ", "-")
    avatar = _address("avatars", f"{handle}.png")
    return {"organization": {"_id": hexdigits(name), "name": handle, "fullname": name, "avatar": avatar}}


def _media(paper: Invention, shown: Showing) -> dict[str, Any]:
    return {"mediaUrls": [_address("uploads", f"{paper.id}.mp4")]} if shown.media else {}


def _address(host: str, path: str) -> str:
    """Below example.org, which RFC 2606 keeps free for such use: nothing invented points at a real host."""
    return f"https://{host}.example.org/{path}"


def _wall_clock(moment: datetime) -> datetime:
    """New York's time marked as UTC: the outer publishedAt has been off by this since April 2025."""
    return moment.astimezone(NEW_YORK).replace(tzinfo=UTC)


def _stamp(moment: datetime) -> str:
    """As JavaScript's toISOString writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
