"""The writer: picks go in, a message comes out, the same bytes for the same digest every time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from digest.compose import sentences
from digest.compose.cards import Cards
from digest.compose.frames import Common, Frames, Own, tidy
from digest.compose.headers import Letterhead
from digest.compose.links import Links
from digest.compose.message import Header, ascii_domain, assemble, mailbox
from digest.compose.page import Page
from digest.compose.quoted import plain, quoted
from digest.compose.render import Templates
from digest.compose.sheet import Sheet, sheet
from digest.compose.site import Site
from digest.compose.text import fit, line
from digest.compose.words import Words, words
from digest.models import Digest, Message, Subscriber


@dataclass(frozen=True, slots=True)
class Written:
    """One digest, ready to go."""

    subject: str
    html_body: bytes
    """Quoted-printable, like `text_body`."""
    text_body: bytes
    message_id: str
    """With its angle brackets."""
    message: Message

    @property
    def html(self) -> str:
        """What most readers see."""
        return plain(self.html_body)

    @property
    def text(self) -> str:
        """What a terminal shows, or reads aloud."""
        return plain(self.text_body)


class Writer:
    """Writes digests and the other mails.

    Args:
        folders: where templates are; the first folder that has a file wins.
        site: what the mails say of their sender.
        links: signs links, and whatever else must be the same again in a retry.
    """

    def __init__(self, folders: Sequence[Path], site: Site, links: Links) -> None:
        self._templates = Templates(folders)
        self._site = site
        self._links = links
        self._cards = Cards(self._templates, web=site.web, thumbnails=site.thumbnails)
        self._frames = Frames(self._templates, site)
        self._letterhead = Letterhead(site)

    def write(self, digest: Digest) -> Written:
        """What the subscriber of *digest* gets.

        Raises:
            SettingsError: a template is wrong.
        """
        reader, w = digest.subscriber, words(digest.subscriber.profile.language)
        page = self._page(digest, w)
        subject = _subject(page.subject())
        text, html = page.bodies()
        address = ascii_domain(reader.email)
        identity = (reader.token, digest.issue.isoformat())
        message_id = self._message_id(_compact(digest.issue), identity)
        headers = self._letterhead.every_mail(
            subject=subject,
            to=mailbox(reader.profile.name, address),
            at=digest.planned_at,
            message_id=message_id,
            language=w.tag,
        )
        headers += self._list_headers(digest, page.own)
        data = assemble(headers, text, html, self._boundary(identity))
        return Written(subject, html, text, message_id, self._message(reader.token, address, data))

    def sheet(self, digest: Digest) -> Sheet:
        """The same for a page of ours: every paper in full, in the subscriber's language, nothing rendered."""
        return sheet(digest, self._cards, self._links, words(digest.subscriber.profile.language))

    def mail(
        self,
        kind: str,
        to: Subscriber | str,
        *,
        at: datetime,
        language: str = "en",
        answers: str | None = None,
        **values: Any,
    ) -> Message:
        """A mail that is no digest, from the templates in `mail/<kind>/`.

        Args:
            kind: confirm, welcome, preferences, goodbye or alert.
            to: a subscriber, or the operator's address.
            at: goes into the Date header and into links that expire.
            language: of a mail to an address; a subscriber has their own.
            answers: the Message-ID of the mail that this one answers (RFC 3834), perhaps empty; None for no answer.
            values: what the templates of this kind ask for beside the usual, see docs/templates.md.

        Raises:
            SettingsError: there is no such kind, or a template is wrong.
        """
        subscriber = to if isinstance(to, Subscriber) else None
        address = subscriber.email if subscriber else str(to)
        token = subscriber.token if subscriber else ""
        w = words(subscriber.profile.language if subscriber else language)
        values = {"to": address, "subscriber": subscriber, **self._about(subscriber, at, w), **values}
        subject = _subject(self._templates.render(f"mail/{kind}/subject.txt", w, values))
        text, html = (tidy(self._templates.render(f"mail/{kind}/body.{part}", w, values)) for part in ("txt", "html"))
        identity = (kind, token or address, at.isoformat(), subject)
        # no name in To: whoever filled in the form chose it, and the reader may be somebody else
        headers = self._letterhead.every_mail(
            subject=subject,
            to=ascii_domain(address),
            at=at,
            message_id=self._message_id(kind, identity),
            language=w.tag,
            answers=answers,
        )
        data = assemble(headers, quoted(text), quoted(html), self._boundary(identity))
        return self._message(token, ascii_domain(address), data)

    def _about(self, subscriber: Subscriber | None, at: datetime, w: Words) -> dict[str, Any]:
        """The variables of the other mails."""
        return {
            "site": self._site,
            "schedule": sentences.schedule(subscriber, w) if subscriber else "",
            "interests": sentences.interests(subscriber, w) if subscriber else "",
            **self._ways(subscriber.token if subscriber else "", at),
        }

    def _page(self, digest: Digest, w: Words) -> Page:
        token = digest.subscriber.token
        common = Common(
            w,
            date=w.long_day(digest.issue),
            summary=sentences.summary(digest, w),
            greeting=sentences.greeting(digest, w),
            chosen=sentences.chosen(digest, w),
            failures=tuple(sentences.failures(digest, w)),
        )
        own = {
            "subject": sentences.subject(digest, w),
            "preheader": sentences.preheader(digest, w),
            "because": sentences.because(digest.subscriber.email, self._site.name, w),
            "webview": self._links.webview(token, digest.issue) if self._site.web else "",
            **self._ways(token, None),
            "to": digest.subscriber.email,
            "subscriber": digest.subscriber,
            "digest": digest,
        }
        feedback = quoted(self._links.feedback_base(token, digest.issue)) if self._site.web else b""
        return Page(self._frames, common, own, self._cards.entries(digest.picks, w), feedback)

    def _ways(self, token: str, at: datetime | None) -> dict[str, str]:
        """Addresses of our pages for one subscriber; empty where there are no pages, or no subscriber."""
        if not (self._site.web and token):
            return dict.fromkeys(("unsubscribe", "preferences", "confirm", "not_me"), "")
        return {
            "unsubscribe": self._links.unsubscribe(token),
            "preferences": self._links.preferences(token, at),
            "confirm": self._links.confirm(token, at) if at else "",
            "not_me": self._links.not_me(token) if at else "",
        }

    def _message_id(self, prefix: str, identity: Sequence[str]) -> str:
        return f"<{prefix}.{self._links.digest_id('message', *identity)}@{self._letterhead.domain}>"

    def _boundary(self, identity: Sequence[str]) -> str:
        return f"=_{self._links.digest_id('boundary', *identity)}"

    def _list_headers(self, digest: Digest, own: Own) -> list[Header]:
        token, domain = digest.subscriber.token, self._site.mail_domain
        return self._letterhead.digest_mail(
            issue=_compact(digest.issue),
            unsubscribe=own["unsubscribe"],
            unsubscribe_address=self._links.unsubscribe_address(token, domain) if domain else self._letterhead.contact,
            webview=own["webview"],
        )

    def _message(self, token: str, address: str, data: bytes) -> Message:
        sender = self._letterhead.address
        if token and self._site.mail_domain:
            sender = self._links.bounce_address(token, self._site.mail_domain)
        return Message(sender, address, data)


@lru_cache(4096)
def _subject(rendered: str) -> str:
    return fit(line(rendered), sentences.SUBJECT)


def _compact(day: date) -> str:
    """20260204; `strftime` takes ten times as long."""
    return day.isoformat().replace("-", "")
