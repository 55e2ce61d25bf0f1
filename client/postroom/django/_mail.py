"""Django's message into the arguments of a send; pure, but for files to attach.

Nothing is dropped.  What the service has no field for is left to Django to compose
(`_composed`) and does not come here.
"""

from __future__ import annotations

from collections.abc import Iterator
from email.errors import InvalidHeaderDefect, MessageError
from email.header import decode_header, make_header
from email.policy import default as modern
from typing import Any, cast

from django.core.mail import EmailMessage

from postroom.arguments import SendArguments
from postroom.django._attachments import attachments_of
from postroom.messages import Mailbox

BODIES = {"text/plain": "text", "text/html": "html"}
_OWN_FIELDS = {"from", "to", "cc", "reply-to", "sender", "message-id"}
_EMPTY = "\n"
"""A body that shows nothing: Django sends mail without one, the service does not."""


def mail_of(message: EmailMessage) -> SendArguments:
    """What to send for *message*; its `postroom_options` come before all else."""
    bodies = _bodies(message)
    mail = {
        "subject": _decoded(message.subject),
        "headers": [
            (name, _decoded(value))
            for name, value in message.extra_headers.items()
            if name.lower() not in _OWN_FIELDS
        ],
        "attachments": [*attachments_of(message, inline="html" in bodies)],
        **bodies,
        **_authors(message),
        **_recipients(message),
        **labels(message),
        **getattr(message, "postroom_options", {}),
    }
    return cast(SendArguments, mail)


def _bodies(message: EmailMessage) -> dict[str, str]:
    found: dict[str, str] = {}
    for _, content, media_type in alternatives(message):
        found[BODIES[media_type.partition(";")[0].strip().lower()]] = str(content)
    if not any(found.values()):
        found |= dict.fromkeys(found or ["text"], _EMPTY)
    return found


def alternatives(message: EmailMessage) -> Iterator[tuple[int, Any, str]]:
    """Place, content and type of each body, the plainest first."""
    further = getattr(message, "alternatives", None) or ()
    if message.body or not further:
        yield 0, message.body, f"text/{message.content_subtype}"
    for place, (content, media_type) in enumerate(further, 1):
        yield place, content, media_type


def _authors(message: EmailMessage) -> dict[str, Any]:
    headers = _own_headers(message)
    author = mailbox_of(message.from_email)
    found: dict[str, Any] = {"from_": author}
    if "from" in headers:
        # As with SMTP: the header is shown, bounces go to from_email.
        found |= {
            "from_": mailbox_of(headers["from"]),
            "envelope_from": author.address,
        }
    if "sender" in headers:
        found["sender"] = mailbox_of(headers["sender"])
    if "message-id" in headers:
        found["message_id"] = headers["message-id"].strip()
    replies = _shown(headers, "reply-to", message.reply_to)
    return {**found, "reply_to": replies} if replies else found


def _recipients(message: EmailMessage) -> dict[str, list[Mailbox]]:
    """Who is shown in To and Cc, and who gets it without being shown."""
    headers = _own_headers(message)
    all_of_them = _mailboxes([*message.to, *message.cc, *message.bcc])
    to, cc = _shown(headers, "to", message.to), _shown(headers, "cc", message.cc)
    shown = {_key(mailbox) for mailbox in (*to, *cc)}
    bcc = _mailboxes(message.bcc)
    hidden = [mailbox for mailbox in all_of_them if _key(mailbox) not in shown]
    return {"to": to, "cc": cc, "bcc": [*bcc, *(m for m in hidden if m not in bcc)]}


def hidden_from(message: EmailMessage) -> Iterator[Mailbox]:
    """Those whom a To or Cc header names and who do not get the mail."""
    headers = _own_headers(message)
    everybody = _mailboxes([*message.to, *message.cc, *message.bcc])
    addresses = {_key(mailbox) for mailbox in everybody}
    named = (m for name in ("to", "cc") for m in _shown(headers, name, ()))
    yield from (mailbox for mailbox in named if _key(mailbox) not in addresses)


def labels(message: EmailMessage) -> dict[str, Any]:
    """The attributes that other backends (django-anymail) know by these names too."""
    found: dict[str, Any] = {}
    if tags := getattr(message, "tags", None):
        found["tags"] = [str(tag) for tag in tags]
    if metadata := getattr(message, "metadata", None):
        found["metadata"] = {str(name): str(v) for name, v in metadata.items()}
    return found


def _own_headers(message: EmailMessage) -> dict[str, str]:
    given = message.extra_headers.items()
    return {name.lower(): str(value) for name, value in given}


def _shown(headers: dict[str, str], name: str, field: Any) -> list[Mailbox]:  # noqa: ANN401  addresses may be lazy texts
    """The mailboxes of a header: as written there, else as in Django's own *field*."""
    if name not in headers:
        return _mailboxes(field)
    parsed: Any = modern.header_factory(name, headers[name])
    if any(isinstance(defect, InvalidHeaderDefect) for defect in parsed.defects):
        return [Mailbox(headers[name])]
    return [Mailbox(a.addr_spec, a.display_name) for a in parsed.addresses]


def _mailboxes(given: Any) -> list[Mailbox]:  # noqa: ANN401  as above
    return [mailbox_of(address) for address in given if address]


def mailbox_of(given: object) -> Mailbox:
    """The mailbox that *given* is, its name decoded.

    What is not exactly one is left as it is, for the service to refuse by its field.
    """
    text = str(given)
    try:
        parsed: Any = modern.header_factory("To", text)
    except ValueError:  # of a line break within an encoded word
        return Mailbox(text)
    invalid = any(isinstance(defect, InvalidHeaderDefect) for defect in parsed.defects)
    if invalid or len(parsed.addresses) != 1:
        return Mailbox(text)
    return Mailbox(parsed.addresses[0].addr_spec, parsed.addresses[0].display_name)


def _key(mailbox: Mailbox) -> tuple[str, str]:
    """What makes two addresses the same: domains know no case."""
    local, _, domain = mailbox.address.rpartition("@")
    return local, domain.lower()


def _decoded(given: object) -> str:
    """*given* as readers see it: Django lets encoded words (RFC 2047) through."""
    text = str(given)
    if "=?" not in text:
        return text
    try:
        return str(make_header(decode_header(text)))
    except (MessageError, LookupError, ValueError):
        return text
