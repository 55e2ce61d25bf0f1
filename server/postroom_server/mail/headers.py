"""Which headers a mail has, and in which order (RFC 5322 §3.6).

Bcc is not among them, and Sender only where it differs from From.  The caller's own
headers come after ours.
"""

from __future__ import annotations

from time import gmtime

from postroom_server.domain.clock import MICROSECONDS, Instant
from postroom_server.domain.message import Identity, Mailbox, Message
from postroom_server.mail.fields import Field, unstructured
from postroom_server.mail.mailboxes import mailbox_list
from postroom_server.mail.unsubscribe import unsubscribe_fields

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)


def header_fields(message: Message, identity: Identity, *, utf8: bool) -> list[Field]:
    """The fields of the mail's header but those that describe its body."""
    lists: tuple[tuple[str, tuple[Mailbox, ...]], ...] = (
        ("From", (message.from_mailbox,)),
        ("Sender", _sender(message)),
        ("Reply-To", message.reply_to),
        ("To", message.to),
        ("Cc", message.cc),
    )
    return [
        *((name, mailbox_list(name, m, utf8=utf8)) for name, m in lists if m),
        ("Subject", unstructured("Subject", message.subject)),
        ("Date", rfc5322_date(identity.date_at)),
        ("Message-ID", identity.message_id),
        *unsubscribe_fields(message.unsubscribe),
        *((h.name, unstructured(h.name, h.value)) for h in message.headers),
        ("MIME-Version", "1.0"),
    ]


def _sender(message: Message) -> tuple[Mailbox, ...]:
    # RFC 5322 §3.6.2: not to be used where it equals From.
    sender = message.sender
    if sender is None or sender.address.key == message.from_mailbox.address.key:
        return ()
    return (sender,)


def rfc5322_date(instant: Instant) -> str:
    """*instant* as the Date header has it, in UTC."""
    t = gmtime(instant // MICROSECONDS)
    day = f"{_DAYS[t.tm_wday]}, {t.tm_mday:02d} {_MONTHS[t.tm_mon - 1]}"
    time = f"{t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d}"
    return f"{day} {t.tm_year:04d} {time} +0000"
