"""A mail that has been found valid, and who it goes to.

Values here exist only if every rule of `domain.validation` holds for them: what
composes and what sends may rely on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from operator import is_

from postroom_server.domain.address import Address
from postroom_server.domain.clock import Instant
from postroom_server.domain.draft import Disposition, Header
from postroom_server.domain.octets import StoredOctets, StoredText, size_of
from postroom_server.domain.values import value


@value(frozen=True, slots=True)
class Mailbox:
    """An address and the name shown beside it (empty: none)."""

    address: Address
    name: str = ""


@value(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file that travels with the mail; *data* is decoded, *content_id* bare."""

    filename: str
    content_type: str
    data: bytes | StoredOctets
    disposition: Disposition = Disposition.ATTACHMENT
    content_id: str = ""


@value(frozen=True, slots=True)
class Unsubscribe:
    """How recipients may unsubscribe: an https URI (empty: none), an address."""

    url: str
    mailto: Address | None = None
    one_click: bool = False


@value(frozen=True, slots=True, kw_only=True)
class Message:
    """What is to be composed.  *text* and *html* have CRLF, LF or CR line ends."""

    from_mailbox: Mailbox
    sender: Mailbox | None = None
    reply_to: tuple[Mailbox, ...] = ()
    to: tuple[Mailbox, ...] = ()
    cc: tuple[Mailbox, ...] = ()
    bcc: tuple[Mailbox, ...] = ()
    subject: str
    text: str | StoredText | None = None
    html: str | StoredText | None = None
    attachments: tuple[Attachment, ...] = ()
    headers: tuple[Header, ...] = ()
    unsubscribe: Unsubscribe | None = None

    @property
    def stored(self) -> tuple[StoredOctets, ...]:
        """What of it is kept in files."""
        texts = [t.octets for t in (self.text, self.html) if isinstance(t, StoredText)]
        files = [a.data for a in self.attachments if isinstance(a.data, StoredOctets)]
        return (*texts, *files)

    @property
    def needs_smtputf8(self) -> bool:
        """Whether an address in it can only be shown to relays with SMTPUTF8."""
        authors = filter(None, (self.from_mailbox, self.sender))
        shown = (*authors, *self.reply_to, *self.to, *self.cc, *self.bcc)
        return not "".join([mailbox.address.local for mailbox in shown]).isascii()

    def recipients(self) -> tuple[Address, ...]:
        """The envelope recipients: to, cc, bcc, equal ones once, the first kept."""
        named = (*self.to, *self.cc, *self.bcc)
        return each_once([mailbox.address for mailbox in named])


@value(frozen=True, slots=True, kw_only=True)
class RawMessage:
    """A mail whose bytes the caller composed, and what was read from its header.

    *authors* are the addresses of From, Sender, Resent-From and Resent-Sender.
    *is_8bit*: its body has octets beyond ASCII; *needs_smtputf8*: its header has.
    """

    mime: bytes | StoredOctets
    envelope: tuple[Address, ...]
    authors: tuple[Address, ...]
    subject: str
    message_id: str
    header_size: int
    is_8bit: bool = False
    needs_smtputf8: bool = False

    @property
    def size(self) -> int:
        """Its octets."""
        return size_of(self.mime)

    @property
    def stored(self) -> tuple[StoredOctets, ...]:
        """What of it is kept in files."""
        return (self.mime,) if isinstance(self.mime, StoredOctets) else ()

    def recipients(self) -> tuple[Address, ...]:
        """The envelope recipients, equal ones once."""
        return self.envelope


def each_once(addresses: Iterable[Address]) -> tuple[Address, ...]:
    """*addresses* in order, of those that are one recipient the first."""
    seen: dict[str, Address] = {}
    for address in addresses:
        seen.setdefault(address.key, address)
    return tuple(seen.values())


AnyMessage = Message | RawMessage
Octets = bytes | StoredOctets


def with_octets(message: AnyMessage, kept: Callable[[Octets], Octets]) -> AnyMessage:
    """*message* with what *kept* gives for its files, or for all of a raw mail."""
    if isinstance(message, RawMessage):
        mime = kept(message.mime)
        return message if mime is message.mime else replace(message, mime=mime)
    files = tuple(
        a if (data := kept(a.data)) is a.data else replace(a, data=data)
        for a in message.attachments
    )
    if all(map(is_, files, message.attachments)):
        return message
    return replace(message, attachments=files)


@value(frozen=True, slots=True)
class Identity:
    """What makes two compositions of one message the same bytes.

    Fixed when the mail is accepted: *message_id* with its angle brackets, *date_at*
    for the Date header, and *boundary*, the unguessable root of all boundaries.
    """

    message_id: str
    date_at: Instant
    boundary: str
