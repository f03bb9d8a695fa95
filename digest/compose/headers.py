"""Which headers a mail carries, beside those of MIME.

RFC 5322; for lists RFC 2369 (List-*), 2919 (List-Id) and 8058 (one-click unsubscribe, over https only); RFC 3834
(Auto-Submitted keeps vacation replies away); RFC 5064 (Archived-At); Feedback-ID as Gmail's Feedback Loop reads it.
"""

from __future__ import annotations

import re
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache

from digest.compose.message import Header, ascii_domain, mailbox, unstructured
from digest.compose.site import Site

_date = lru_cache(1024)(format_datetime)
_subject = lru_cache(4096)(unstructured)


class Letterhead:
    """The headers of one sender's mails; what they all say alike is made once."""

    def __init__(self, site: Site) -> None:
        self.address = ascii_domain(site.address)
        self.domain = self.address.rpartition("@")[2]
        """Of From, as A-labels."""
        self.contact = ascii_domain(site.contact)
        self._from = mailbox(site.name, self.address)
        self._reply_to = [("Reply-To", self.contact)] if site.reply_to else []
        self._one_click = site.public_url.startswith("https:")
        self._list_id = mailbox(site.name, f"daily.{site.list_domain or self.domain}", always=True)
        self._operator = re.sub("[^a-z0-9]", "", self.domain.lower())[:15]

    def every_mail(
        self, *, subject: str, to: str, at: datetime, message_id: str, language: str, answers: str | None = None
    ) -> list[Header]:
        """What each mail says.

        Args:
            subject: at any length.
            to: encoded already.
            at: the Date.
            message_id: with its angle brackets.
            language: tag of its content.
            answers: the Message-ID of the mail that this one answers, empty where it has none; None for no answer.
        """
        return [
            ("Date", _date(at)),
            ("From", self._from),
            *self._reply_to,
            *([("In-Reply-To", answers), ("References", answers)] if answers else []),
            ("To", to),
            ("Subject", _subject(subject, "Subject")),
            ("Message-ID", message_id),
            ("Content-Language", language),
            ("Auto-Submitted", "auto-generated" if answers is None else "auto-replied"),
            ("X-Auto-Response-Suppress", "OOF, AutoReply"),
        ]

    def digest_mail(self, *, issue: str, unsubscribe: str, unsubscribe_address: str, webview: str) -> list[Header]:
        """What a digest says beside that, so that mailboxes can sort it and end it.

        Args:
            issue: its day, as 20260204.
            unsubscribe: the page; empty where none is served.
            unsubscribe_address: where a mail does the same.
            webview: the digest as a page; empty where none is served.
        """
        return [
            ("List-Id", self._list_id),
            *self._ways_out(unsubscribe, f"<mailto:{unsubscribe_address}?subject=unsubscribe>"),
            ("List-Help", f"<mailto:{self.contact}?subject=help>"),
            ("List-Owner", f"<mailto:{self.contact}>"),
            ("List-Post", "NO"),
            ("Precedence", "bulk"),
            ("Feedback-ID", f"{issue}:daily:digest:{self._operator}"),
            *([("Archived-At", f"<{webview}>")] if webview else []),
        ]

    def _ways_out(self, page: str, by_mail: str) -> list[Header]:
        if not page:
            return [("List-Unsubscribe", by_mail)]
        both = [("List-Unsubscribe", f"<{page}>,\r\n {by_mail}")]
        if self._one_click:
            both.append(("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
        return both
