"""What a mail says of its sender: built once from the settings, the same for every reader."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Site:
    """The sender, and what of the installation a mail may point to."""

    sender: str = "Paper Digest <digest@localhost>"
    """Name and address of From, unquoted."""
    reply_to: str = ""
    """A mailbox that a person reads; empty: the sender's."""
    postal_address: str = ""
    """One line of the footer."""
    public_url: str = "http://127.0.0.1:8000"
    """Base of every link to our own pages, without a slash at its end."""
    web: bool = True
    """Whether those pages are served; without, no mail links to them."""
    list_domain: str = ""
    """Right part of List-Id, to be kept for ever, because people filter on it; empty: the sender's domain."""
    mail_domain: str = ""
    """Where our own receiver takes bounces and unsubscribe mail; empty: no such addresses are used."""
    thumbnails: bool = False
    """Whether cards show a paper's preview image."""

    @property
    def name(self) -> str:
        """What the digest is called: the sender's display name."""
        name = self.sender.rpartition("<")[0].strip().strip('"').strip()
        return name or self.address

    @property
    def address(self) -> str:
        """The sender's bare address."""
        return bare(self.sender)

    @property
    def domain(self) -> str:
        """The sender's domain."""
        return self.address.rpartition("@")[2]

    @property
    def contact(self) -> str:
        """The bare address that answers."""
        return bare(self.reply_to) or self.address


def bare(mailbox: str) -> str:
    """`"Lab, Papers <x@y>"` -> `"x@y"`."""
    return mailbox.rpartition("<")[2].rstrip("> ").strip()
