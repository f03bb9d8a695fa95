"""Everything raised on purpose, sorted by what the caller should do.

* DigestError
  + SettingsError     the operator must fix settings, roster or templates; retrying is pointless
  + UsageError        the command was asked for something that does not exist (a person, a paper, a delivery)
  + StoreError        the database failed in the midst of work: a full disk, a damaged file, a server that went away
  + SourceError       a source could not be read; the others still can
  + DeliveryError     one message did not leave
    - Deferred        try the same message again later (4yz, a connection lost before the body)
    - Refused         never write to this recipient again (5yz on RCPT with 5.1.x); or this message is refused for good
    - SenderAtFault   stop the whole run and tell the operator (login, TLS, MAIL FROM, policy)
    - Ambiguous       the body went out and no answer came: perhaps delivered

An ordinary outcome ("nothing new", "already sent") is a value, not an exception. The unexpected crashes.
"""

from __future__ import annotations


class DigestError(Exception):
    """Base of all of the above; its text is written for the person who reads it."""


class SettingsError(DigestError):
    """The operator must fix something; every problem that was found, one a line."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class UsageError(DigestError):
    """The command names something that is not there."""


class StoreError(DigestError):
    """The database failed in the midst of work, for a reason that no program can mend."""


class SourceError(DigestError):
    """A source could not be read, and why, in words that fit the digest's status line."""


class DeliveryError(DigestError):
    """One message did not leave.

    Attributes:
        code: the SMTP reply code, or 0 where there was no reply.
        enhanced: the enhanced status code of RFC 3463, such as "5.1.1", or "".
    """

    def __init__(self, text: str, *, code: int = 0, enhanced: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.enhanced = enhanced


class Deferred(DeliveryError):
    """Try the same message again later.

    Attributes:
        retry_after: seconds that the server asked to wait, or None.
        close: the connection is of no more use (421, or it was lost).
    """

    def __init__(
        self, text: str, *, code: int = 0, enhanced: str = "", retry_after: float | None = None, close: bool = False
    ) -> None:
        super().__init__(text, code=code, enhanced=enhanced)
        self.retry_after = retry_after
        self.close = close


class Refused(DeliveryError):
    """This message will never be taken.

    Attributes:
        address_is_dead: the recipient does not exist (5.1.x, 5.2.1): never write there again.
    """

    def __init__(self, text: str, *, code: int = 0, enhanced: str = "", address_is_dead: bool = False) -> None:
        super().__init__(text, code=code, enhanced=enhanced)
        self.address_is_dead = address_is_dead


class SenderAtFault(DeliveryError):
    """Login, TLS, MAIL FROM or policy: nothing will leave until the operator acts; no reader is to blame.

    Attributes:
        about_recipient: it was said to one recipient or message, and others may pass; several such in a row may not.
    """

    def __init__(self, text: str, *, code: int = 0, enhanced: str = "", about_recipient: bool = False) -> None:
        super().__init__(text, code=code, enhanced=enhanced)
        self.about_recipient = about_recipient


class Ambiguous(DeliveryError):
    """The body went out and no answer came back: perhaps delivered, perhaps not."""
