"""Which headers a mail carries, beside those of MIME.

RFC 5322; for lists RFC 2369 (List-*), 2919 (List-Id) and 8058 (one-click unsubscribe, over https only); RFC 3834
(Auto-Submitted keeps vacation replies away); RFC 5064 (Archived-At); Feedback-ID as Gmail's Feedback Loop reads it.
"""

from __future__ import annotations

import re
from datetime import datetime
from email.utils import format_datetime

from digest.compose.links import Links
from digest.compose.message import Header, ascii_domain, mailbox, unstructured
from digest.compose.site import Site
from digest.models import Digest


def sender_domain(site: Site) -> str:
    """The domain of From, as A-labels."""
    return ascii_domain(site.address).rpartition("@")[2]


def every_mail(
    site: Site, *, subject: str, to: str, at: datetime, message_id: str, language: str, answers: str | None = None
) -> list[Header]:
    """What each mail says.

    Args:
        site: the sender.
        subject: at any length.
        to: encoded already.
        at: the Date.
        message_id: with its angle brackets.
        language: tag of its content.
        answers: the Message-ID of the mail that this one answers, empty where it has none; None for no answer.
    """
    answer = [("Reply-To", ascii_domain(site.contact))] if site.reply_to else []
    if answers:
        answer += [("In-Reply-To", answers), ("References", answers)]
    return [
        ("Date", format_datetime(at)),
        ("From", mailbox(site.name, ascii_domain(site.address))),
        *answer,
        ("To", to),
        ("Subject", unstructured(subject, "Subject")),
        ("Message-ID", message_id),
        ("Content-Language", language),
        ("Auto-Submitted", "auto-generated" if answers is None else "auto-replied"),
        ("X-Auto-Response-Suppress", "OOF, AutoReply"),
    ]


def digest_mail(site: Site, links: Links, digest: Digest) -> list[Header]:
    """What a digest says beside that, so that mailboxes can sort it and end it."""
    contact = ascii_domain(site.contact)
    domain = sender_domain(site)
    operator = re.sub("[^a-z0-9]", "", domain.lower())[:15]
    archived = [("Archived-At", f"<{links.webview(digest.subscriber.token, digest.issue)}>")] if site.web else []
    return [
        ("List-Id", mailbox(site.name, f"daily.{site.list_domain or domain}", always=True)),
        *_ways_out(site, links, digest.subscriber.token),
        ("List-Help", f"<mailto:{contact}?subject=help>"),
        ("List-Owner", f"<mailto:{contact}>"),
        ("List-Post", "NO"),
        ("Precedence", "bulk"),
        ("Feedback-ID", f"{digest.issue:%Y%m%d}:daily:digest:{operator}"),
        *archived,
    ]


def _ways_out(site: Site, links: Links, token: str) -> list[Header]:
    address = links.unsubscribe_address(token, site.mail_domain) if site.mail_domain else ascii_domain(site.contact)
    by_mail = f"<mailto:{address}?subject=unsubscribe>"
    if not site.web:
        return [("List-Unsubscribe", by_mail)]
    both = [("List-Unsubscribe", f"<{links.unsubscribe(token)}>,\r\n {by_mail}")]
    if site.public_url.startswith("https:"):
        both.append(("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
    return both
