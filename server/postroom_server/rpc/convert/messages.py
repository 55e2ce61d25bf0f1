"""`postroom.v1.Message` and `RawMessage` to drafts: every field, as it was given.

Unset and empty are told apart where the contract does (`oneof`, sub-messages), and
nowhere else.  Nothing is checked: `domain.validation` does that, with all problems at
once.
"""

from __future__ import annotations

from postroom.v1 import message_pb2 as wire

from postroom_server.domain.draft import (
    AttachmentDraft,
    Disposition,
    Header,
    MailboxDraft,
    MessageDraft,
    RawDraft,
    UnsubscribeDraft,
)


def message_draft(message: wire.Message) -> MessageDraft:
    """What *message* asks for."""
    has = message.HasField
    return MessageDraft(
        from_mailbox=_mailbox(message.from_mailbox) if has("from_mailbox") else None,
        sender=_mailbox(message.sender) if has("sender") else None,
        reply_to=tuple(map(_mailbox, message.reply_to)),
        to=tuple(map(_mailbox, message.to)),
        cc=tuple(map(_mailbox, message.cc)),
        bcc=tuple(map(_mailbox, message.bcc)),
        envelope_from=message.envelope_from,
        subject=message.subject,
        text=message.text_body if has("text_body") else None,
        text_blob=message.text_blob if has("text_blob") else None,
        html=message.html_body if has("html_body") else None,
        html_blob=message.html_blob if has("html_blob") else None,
        attachments=tuple(map(_attachment, message.attachments)),
        headers=tuple(Header(h.name, h.value) for h in message.headers),
        message_id=message.message_id,
        unsubscribe=_unsubscribe(message.unsubscribe) if has("unsubscribe") else None,
    )


def raw_draft(message: wire.RawMessage) -> RawDraft:
    """The mail that its caller composed."""
    has = message.HasField
    return RawDraft(
        data=message.data if has("data") else None,
        blob=message.blob if has("blob") else None,
        envelope_from=message.envelope_from,
        recipients=tuple(message.recipients),
    )


def _mailbox(mailbox: wire.Mailbox) -> MailboxDraft:
    return MailboxDraft(mailbox.address, mailbox.name)


def _attachment(attachment: wire.Attachment) -> AttachmentDraft:
    has = attachment.HasField
    return AttachmentDraft(
        filename=attachment.filename,
        content_type=attachment.content_type,
        data=attachment.data if has("data") else None,
        data_base64=attachment.data_base64 if has("data_base64") else None,
        blob=attachment.blob if has("blob") else None,
        disposition=Disposition(attachment.disposition),
        content_id=attachment.content_id,
    )


def _unsubscribe(asked: wire.Unsubscribe) -> UnsubscribeDraft:
    return UnsubscribeDraft(
        url=asked.url, mailto=asked.mailto, one_click=asked.one_click
    )
