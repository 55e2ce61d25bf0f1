"""What a caller asked for, before anyone looked at it: plain strings and bytes.

The fields are those of `postroom.v1.Message`, where their meaning stands.  A draft
becomes a `Message` in `domain.validation` or is refused; nothing else reads it.
"""

from __future__ import annotations

from postroom_server.domain.numbered import Numbered
from postroom_server.domain.values import value


class Disposition(Numbered):
    """Where a part of the mail is shown."""

    UNSPECIFIED = 0
    ATTACHMENT = 1
    INLINE = 2


@value(frozen=True, slots=True)
class MailboxDraft:
    address: str
    name: str = ""


@value(frozen=True, slots=True)
class Header:
    """A header that has no field of its own."""

    name: str
    value: str


@value(frozen=True, slots=True, kw_only=True)
class AttachmentDraft:
    """Exactly one of *data*, *data_base64* and *blob* is to be set.

    *blob* is "blobs/{sha256}", or "parts/{key}" for what comes with the call.
    """

    filename: str
    content_type: str
    data: bytes | None = None
    data_base64: str | None = None
    blob: str | None = None
    disposition: Disposition = Disposition.UNSPECIFIED
    content_id: str = ""


@value(frozen=True, slots=True, kw_only=True)
class UnsubscribeDraft:
    """How recipients may unsubscribe; empty is what was not given."""

    url: str = ""
    mailto: str = ""
    one_click: bool = False


@value(frozen=True, slots=True, kw_only=True)
class MessageDraft:
    """A mail as the caller described it; None is what was not given at all.

    *text_blob* and *html_blob* name a body as `AttachmentDraft.blob` does.
    """

    from_mailbox: MailboxDraft | None = None
    sender: MailboxDraft | None = None
    reply_to: tuple[MailboxDraft, ...] = ()
    to: tuple[MailboxDraft, ...] = ()
    cc: tuple[MailboxDraft, ...] = ()
    bcc: tuple[MailboxDraft, ...] = ()
    envelope_from: str = ""
    subject: str = ""
    text: str | None = None
    text_blob: str | None = None
    html: str | None = None
    html_blob: str | None = None
    attachments: tuple[AttachmentDraft, ...] = ()
    headers: tuple[Header, ...] = ()
    message_id: str = ""
    unsubscribe: UnsubscribeDraft | None = None


@value(frozen=True, slots=True, kw_only=True)
class RawDraft:
    """A mail that the caller composed; exactly one of *data* and *blob* is set."""

    data: bytes | None = None
    blob: str | None = None
    envelope_from: str = ""
    recipients: tuple[str, ...] = ()
