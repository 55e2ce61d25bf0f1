"""The parts of a mail, as people write them, into a message of the contract.

Pure, but for files to attach, which are read here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from postroom._mailboxes import read_mailbox
from postroom._problems import Problems
from postroom.arguments import MailArguments
from postroom.messages import (
    Addresses,
    AddressLike,
    Attachment,
    AttachmentLike,
    Headers,
    Mailbox,
)
from postroom.v1 import message_pb2

_DISPOSITIONS = {
    False: message_pb2.DISPOSITION_UNSPECIFIED,
    True: message_pb2.DISPOSITION_INLINE,
}


def message_of(given: MailArguments, problems: Problems) -> message_pb2.Message:
    """The message that *given* describes; its faults go to *problems*.

    Raises `OSError` for a file that can't be read.
    """
    message = message_pb2.Message(
        subject=given.get("subject", ""),
        message_id=given.get("message_id", ""),
        envelope_from=given.get("envelope_from", ""),
        attachments=map(_attachment, given.get("attachments", ())),
        headers=_headers(given.get("headers", ())),
    )
    if (text := given.get("text")) is not None:
        message.text_body = text
    if (html := given.get("html")) is not None:
        message.html_body = html
    _set_people(message, given, problems)
    return message


def _set_people(
    message: message_pb2.Message, given: MailArguments, problems: Problems
) -> None:
    if from_ := given.get("from_"):
        message.from_mailbox.CopyFrom(_mailbox("message.from", from_, problems))
    if sender := given.get("sender"):
        message.sender.CopyFrom(_mailbox("message.sender", sender, problems))
    message.to.extend(_mailboxes("to", given.get("to", ()), problems))
    message.cc.extend(_mailboxes("cc", given.get("cc", ()), problems))
    message.bcc.extend(_mailboxes("bcc", given.get("bcc", ()), problems))
    reply_to = _mailboxes("reply_to", given.get("reply_to", ()), problems)
    message.reply_to.extend(reply_to)


def _mailboxes(
    field: str, given: Addresses, problems: Problems
) -> Iterator[message_pb2.Mailbox]:
    several = (given,) if isinstance(given, str | Mailbox) else given
    for place, one in enumerate(several):
        yield _mailbox(f"message.{field}[{place}].address", one, problems)


def _mailbox(field: str, given: AddressLike, problems: Problems) -> message_pb2.Mailbox:
    try:
        mailbox = read_mailbox(given)
    except ValueError as error:
        problems.add(field, str(error))
        return message_pb2.Mailbox()
    return message_pb2.Mailbox(address=mailbox.address, name=mailbox.name)


def _attachment(given: AttachmentLike) -> message_pb2.Attachment:
    if not isinstance(given, Attachment):
        given = Attachment.from_path(given)
    return message_pb2.Attachment(
        filename=given.filename,
        content_type=given.content_type,
        data=bytes(given.data),
        disposition=_DISPOSITIONS[given.inline],
        content_id=given.content_id,
    )


def _headers(given: Headers) -> Iterable[message_pb2.Header]:
    pairs = given.items() if isinstance(given, Mapping) else given
    return [message_pb2.Header(name=name, value=value) for name, value in pairs]
