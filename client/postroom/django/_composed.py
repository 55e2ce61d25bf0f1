"""Messages that only Django can compose as they are meant: sent as they come from it.

The service has no fields for an alternative of another type than text and HTML, for a
message class of its own, for headers that describe somebody who gets no mail, or for
further headers of a MIME part; and its Date is in UTC.  Where that is not what is
meant, the message is composed by Django and given to the service as it is, in 7 bits
with CRLF line ends (RFC 5322 §2.1), so that any relay can take it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from email.message import Message
from email.utils import make_msgid
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage

from postroom.django._attachments import seven_bit
from postroom.django._mail import BODIES, alternatives, hidden_from, mailbox_of
from postroom.messages import RawMessage

# What the service sets itself, and refuses as a header of the caller's.
_SERVICE_SETS = ("date", "return-path", "mime-version", "dkim-signature")
_SERVICE_SETS_PREFIXES = ("resent-", "received", "arc-", "content-")
_ALTERNATIVE = "alternative"
# What the service writes for a file too.
_PART_HEADERS = frozenset(
    {
        "content-type",
        "content-transfer-encoding",
        "content-disposition",
        "content-id",
        "mime-version",
    }
)


def needs_django(message: EmailMessage) -> bool:
    """Whether the service's fields can't say all that *message* says."""
    return any(_reasons(message))


def composed(message: EmailMessage) -> RawMessage:
    """*message* as Django composes it, and its envelope as Django would have it."""
    recipients = [mailbox_of(address).address for address in message.recipients()]
    return RawMessage(
        data=_ended(seven_bit(_with_own_id(message))),
        envelope_from=mailbox_of(message.from_email).address,
        recipients=list(dict.fromkeys(recipients)),
    )


def _reasons(message: EmailMessage) -> Iterator[bool]:
    yield type(message).message is not EmailMessage.message
    yield not str(message.subject).strip()
    yield _has_other_bodies(message)
    yield any(map(_is_whole_part, message.attachments))
    names = [name.lower() for name in message.extra_headers]
    yield any(n in _SERVICE_SETS or n.startswith(_SERVICE_SETS_PREFIXES) for n in names)
    yield any(hidden_from(message))
    # A structure or a time zone of its own.
    yield getattr(message, "mixed_subtype", "mixed") != "mixed"
    yield getattr(message, "alternative_subtype", _ALTERNATIVE) != _ALTERNATIVE
    yield bool(getattr(settings, "EMAIL_USE_LOCALTIME", False))


def _has_other_bodies(message: EmailMessage) -> bool:
    kinds = [kind for _, _, kind in alternatives(message)]
    known = [BODIES.get(kind.partition(";")[0].strip().lower()) for kind in kinds]
    return None in known or len(set(known)) < len(known)


def _is_whole_part(attachment: Any) -> bool:  # noqa: ANN401  whatever Django takes
    """Whether it is made of several parts, has headers of its own, or is empty."""
    if isinstance(attachment, Message):
        own = {name.lower() for name in attachment} - _PART_HEADERS
        return attachment.get_content_maintype() == "multipart" or bool(own)
    return not attachment[1]


def _with_own_id(message: EmailMessage) -> EmailMessage:
    """*message* with a Message-ID: to make one up, Django looks this machine up."""
    if "message-id" in map(str.lower, message.extra_headers):
        return message
    own = copy.copy(message)
    made = make_msgid(domain=_domain(message))
    own.extra_headers = {**message.extra_headers, "Message-ID": made}
    return own


def _domain(message: EmailMessage) -> str:
    domain = mailbox_of(message.from_email).address.rpartition("@")[2]
    try:
        return domain.encode("idna").decode()
    except UnicodeError:
        # No domain at all; the service refuses the sender, and says why.
        return "localhost"


def _ended(octets: bytes) -> bytes:
    return octets if octets.endswith(b"\r\n") else octets + b"\r\n"
