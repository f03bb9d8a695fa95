"""The local mailbox: a Maildir that stands in for SMTP, and the reading of it.

D. J. Bernstein's Maildir: a message is written into tmp/, made durable, and renamed into new/, so that a reader sees
all of it or nothing. Its name is a hash of envelope and bytes: the same message delivered twice is there once.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.errors import MessageError
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from pathlib import Path

from digest.errors import SenderAtFault
from digest.models import Message

_LONGEST_HEADER = 65_536


@dataclass(frozen=True, slots=True)
class Summary:
    """A message as a list shows it."""

    key: str
    """Names the message within its mailbox."""
    sender: str
    recipient: str
    subject: str
    received_at: datetime
    """When the mailbox took it."""
    size: int
    """Bytes."""


class Mailbox:
    """A transport into a folder, readable by any mail program."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def send(
        self,
        message: Message,
        before_body: Callable[[], None],
        upcoming: Callable[[], Message | None] = lambda: None,  # noqa: ARG002 - nobody to announce it to
    ) -> str:
        """Keep *message*; durable on return.

        Raises:
            SenderAtFault: the folder cannot be written.
        """
        before_body()
        name = _name(message)
        try:
            self._write(name, message.data)
        except OSError as error:
            raise SenderAtFault(f"the mailbox {self.folder} cannot be written: {error.strerror or error}") from error
        return f"250 kept as {name}"

    def close(self) -> None:
        """Nothing is held open."""

    def summaries(self, limit: int = 200) -> list[Summary]:
        """The newest messages, newest first."""
        newest: list[Summary] = []
        for _, file in sorted(self._ages(), reverse=True)[:limit]:
            with suppress(FileNotFoundError):  # a mail program has just filed or removed it
                newest.append(_summary(file))
        return newest

    def read(self, key: str) -> bytes:
        """The message named *key*, as it was sent.

        Raises:
            KeyError: there is none.
        """
        for entry in self._files():
            if entry.name == key:
                return Path(entry).read_bytes()
        raise KeyError(key)

    def _write(self, name: str, data: bytes) -> None:
        for part in ("tmp", "new", "cur"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        # Two threads may write the same message at once: each into its own file, the second renaming over the first.
        draft = self.folder / "tmp" / f"{name}.{os.getpid()}.{os.urandom(4).hex()}"
        with draft.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.folder / "new" / name)
        _sync(self.folder / "new")

    def _ages(self) -> Iterator[tuple[int, Path]]:
        for entry in self._files():
            with suppress(FileNotFoundError):
                yield entry.stat().st_mtime_ns, Path(entry)

    def _files(self) -> Iterator[os.DirEntry[str]]:
        for part in ("new", "cur"):
            if (self.folder / part).is_dir():
                with os.scandir(self.folder / part) as entries:
                    yield from (entry for entry in entries if not entry.name.startswith("."))


def _name(message: Message) -> str:
    envelope = f"{message.sender}\0{message.recipient}\0".encode()
    return hashlib.sha256(envelope + message.data).hexdigest()[:32]


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _summary(file: Path) -> Summary:
    with file.open("rb") as source:
        header, status = source.read(_LONGEST_HEADER), os.fstat(source.fileno())
    parsed = BytesHeaderParser(policy=policy.default).parsebytes(header)
    return Summary(
        key=file.name,
        sender=_text(parsed, "from"),
        recipient=_text(parsed, "to"),
        subject=_text(parsed, "subject"),
        received_at=datetime.fromtimestamp(status.st_mtime, UTC),
        size=status.st_size,
    )


def _text(parsed: EmailMessage, name: str) -> str:
    """A header's text; empty where the email package stumbles over it, as over `To: a:b,c:;d` or `From: <`."""
    try:
        text = str(parsed.get(name, ""))
    except (AttributeError, LookupError, TypeError, ValueError, MessageError):
        return ""
    return text.encode("utf-8", "replace").decode()  # an encoded word may hold half a surrogate pair
