"""Files to attach, in every form that Django takes them, into the SDK's.

Text is written in the message's charset, and a mail within the mail (message/rfc822)
in 7 bits with CRLF, since such a part may carry no encoding (RFC 2046 §5.2.1).  Of the
headers of a MIME part its type, name, disposition and Content-ID go on; a mail with
others is left to Django (`_composed`).
"""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator
from email import message_from_bytes
from email.generator import BytesGenerator
from email.message import Message
from email.utils import quote
from io import BytesIO
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage

from postroom.messages import UNKNOWN_TYPE, Attachment, guessed_type

_MAIL = "message/rfc822"
_OURS = frozenset({"name", "boundary"})
"""Parameters of a type that the service writes itself."""


def attachments_of(message: EmailMessage, *, inline: bool) -> Iterator[Attachment]:
    """The files of *message*; images are shown *inline* only where there is HTML."""
    charset = str(message.encoding or settings.DEFAULT_CHARSET)
    given: Any
    for given in message.attachments:
        if isinstance(given, Message):
            yield _of_part(given, inline=inline)
        else:
            yield _of_file(charset, *given)


def _of_file(
    charset: str,
    filename: str | None,
    content: Any,  # noqa: ANN401  text, bytes or a mail
    media_type: str | None = None,
) -> Attachment:
    kind = media_type or (guessed_type(filename) if filename else UNKNOWN_TYPE)
    name = filename or _made_up_name(kind)
    if kind.lower() == _MAIL:
        return Attachment(name, kind, seven_bit(content))
    if isinstance(content, bytes):
        return Attachment(name, kind, content)
    if not kind.lower().startswith("text/"):
        return Attachment(name, kind, str(content).encode())
    written = Message()
    written["Content-Type"] = kind
    if written.get_content_charset() is None:
        kind = f"{kind}; charset={charset}"
    encoded = str(content).encode(written.get_content_charset(charset))
    return Attachment(name, kind, encoded)


def _of_part(part: Message, *, inline: bool) -> Attachment:
    media_type = part.get_content_type()
    content_id = (part["Content-ID"] or "").strip().removeprefix("<").removesuffix(">")
    asked = part.get_content_disposition() or ("inline" if content_id else "")
    return Attachment(
        filename=part.get_filename() or _made_up_name(media_type),
        content_type=media_type + _parameters(part),
        data=_data(part),
        inline=inline and asked == "inline" and bool(content_id),
        content_id=content_id,
    )


def _data(part: Message) -> bytes:
    if part.get_content_type() == _MAIL:
        return seven_bit(part.get_payload(0))
    decoded = part.get_payload(decode=True)
    # One of several parts has no bytes of its own; the service refuses its type.
    return decoded if isinstance(decoded, bytes) else part.as_bytes()


def _parameters(part: Message) -> str:
    pairs = part.get_params(failobj=[])[1:]
    return "".join(
        f'; {name}="{quote(value)}"'
        for name, value in pairs
        if name.lower() not in _OURS and isinstance(value, str)
    )


def seven_bit(given: Any) -> bytes:  # noqa: ANN401  text, bytes or a mail
    """The mail that *given* is, in 7 bits with CRLF line ends."""
    mail = given.message() if isinstance(given, EmailMessage) else given
    octets = mail.as_bytes() if isinstance(mail, Message) else mail
    # Only what was parsed from bytes is written in 7 bits whatever it holds.
    parsed = message_from_bytes(
        octets if isinstance(octets, bytes) else str(octets).encode()
    )
    written = BytesIO()
    policy = parsed.policy.clone(linesep="\r\n", cte_type="7bit")
    BytesGenerator(written, mangle_from_=False, policy=policy).flatten(parsed)
    return written.getvalue()


def _made_up_name(media_type: str) -> str:
    """A name for a file that has none: the service asks for one."""
    if media_type.lower() == _MAIL:
        return "attachment.eml"
    kind = media_type.partition(";")[0].strip()
    return "attachment" + (mimetypes.guess_extension(kind) or ".bin")
