"""Mail as it comes back: reports, complaints and letters, invented by us in the exact form of their RFCs."""

from __future__ import annotations

LIMIT = "limit.of.a.report"


def wire(text: str) -> bytes:
    """With the line ends of the wire."""
    return text.replace("\n", "\r\n").encode()


def bounce(
    status: str, diagnostic: str = "", action: str = "failed", recipient: str = "ada@example.org", original: str = ""
) -> bytes:
    """A delivery status notification (RFC 3464) as Postfix writes it."""
    reason = f"Diagnostic-Code: smtp; {diagnostic}\n" if diagnostic else ""
    return wire(f"""\
From: MAILER-DAEMON@mx.example (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="{LIMIT}"

--{LIMIT}
Content-Type: text/plain; charset=us-ascii

This is the mail system at host mx.example.

--{LIMIT}
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example
Arrival-Date: Wed,  4 Feb 2026 07:00:00 +0000 (UTC)

Final-Recipient: rfc822; {recipient}
Original-Recipient: rfc822;{recipient}
Action: {action}
Status: {status}
{reason}
--{LIMIT}
Content-Type: text/rfc822-headers

{original or "Subject: An invented digest"}

--{LIMIT}--
""")


def feedback(kind: str = "abuse", original: str = "Subject: An invented digest") -> bytes:
    """A complaint (RFC 5965) with the headers of the mail it is about, the address taken out as providers do."""
    return wire(f"""\
From: feedback@mailbox.example
To: abuse@b.digest.example
Subject: complaint
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="{LIMIT}"

--{LIMIT}
Content-Type: text/plain

This is an e-mail abuse report.

--{LIMIT}
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: Example-Feedback/1.0
Version: 1
Original-Rcpt-To: <redacted@example.org>

--{LIMIT}
Content-Type: message/rfc822

{original}

An invented digest.

--{LIMIT}--
""")


def letter(text: str = "Hello.", subject: str = "Hello", sender: str = "Ada <ada@example.org>", **header: str) -> bytes:
    """What a person writes, with more header fields (underscores are hyphens)."""
    more = "".join(f"{name.replace('_', '-')}: {value}\n" for name, value in header.items())
    return wire(f"From: {sender}\nTo: digest\nSubject: {subject}\n{more}\n{text}\n")
