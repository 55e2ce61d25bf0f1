"""A mail that has been found valid, and who it goes to.

Values here exist only if every rule of `domain.validation` holds for them: what
composes and what sends may rely on it.
"""

from __future__ import annotations

from dataclasses import dataclass

from postroom_server.domain.address import Address
from postroom_server.domain.clock import Instant
from postroom_server.domain.draft import Disposition, Header


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An address and the name shown beside it (empty: none)."""

    address: Address
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file that travels with the mail; *data* is decoded, *content_id* bare."""

    filename: str
    content_type: str
    data: bytes
    disposition: Disposition = Disposition.ATTACHMENT
    content_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is to be composed.  *text* and *html* have CRLF, LF or CR line ends."""

    from_mailbox: Mailbox
    sender: Mailbox | None = None
    reply_to: tuple[Mailbox, ...] = ()
    to: tuple[Mailbox, ...] = ()
    cc: tuple[Mailbox, ...] = ()
    bcc: tuple[Mailbox, ...] = ()
    subject: str
    text: str | None = None
    html: str | None = None
    attachments: tuple[Attachment, ...] = ()
    headers: tuple[Header, ...] = ()

    @property
    def needs_smtputf8(self) -> bool:
        """Whether an address in it can only be shown to relays with SMTPUTF8."""
        authors = filter(None, (self.from_mailbox, self.sender))
        shown = (*authors, *self.reply_to, *self.to, *self.cc, *self.bcc)
        return any(mailbox.address.needs_smtputf8 for mailbox in shown)

    def recipients(self) -> tuple[Address, ...]:
        """The envelope recipients: to, cc, bcc, equal ones once, the first kept."""
        seen: dict[str, Address] = {}
        for mailbox in (*self.to, *self.cc, *self.bcc):
            seen.setdefault(mailbox.address.key, mailbox.address)
        return tuple(seen.values())


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes two compositions of one message the same bytes.

    Fixed when the mail is accepted: *message_id* with its angle brackets, *date_at*
    for the Date header, and *boundary*, the unguessable root of all boundaries.
    """

    message_id: str
    date_at: Instant
    boundary: str
