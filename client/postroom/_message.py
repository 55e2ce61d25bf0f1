"""The parts of a mail, as people write them, into a message of the contract.

Pure; contents, which may be files, are gathered for `postroom._contents`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from postroom._contents import Contents, Place
from postroom._mailboxes import read_mailbox
from postroom._names import several
from postroom._problems import Problems
from postroom.arguments import MailArguments
from postroom.messages import (
    Addresses,
    Attachment,
    AttachmentLike,
    Headers,
    Mailbox,
    RawMessage,
    Unsubscribe,
)
from postroom.v1 import message_pb2

_DISPOSITIONS = {
    False: message_pb2.DISPOSITION_UNSPECIFIED,
    True: message_pb2.DISPOSITION_INLINE,
}


def set_message(
    message: message_pb2.Message,
    given: MailArguments,
    contents: Contents,
    problems: Problems,
) -> None:
    """Make *message* what *given* describes; its faults go to *problems*.

    Raises `OSError` for a file that can't be read.
    """
    message.subject = given.get("subject") or ""
    message.message_id = given.get("message_id") or ""
    message.envelope_from = given.get("envelope_from") or ""
    message.headers.extend(_headers(given.get("headers", ())))
    if unsubscribe := given.get("unsubscribe"):
        message.unsubscribe.CopyFrom(_unsubscribe(unsubscribe))
    _set_people(message, given, problems)
    for name in ("text", "html"):
        if (body := given.get(name)) is not None:
            place = Place(
                owner=message,
                path="message",
                within=f"{name}_body",
                reference=f"{name}_blob",
            )
            contents.add(place, body)  # type: ignore[arg-type]
    attachments = several("attachments", given.get("attachments", ()), "a list")
    for number, attachment in enumerate(attachments):
        _attach(message, number, attachment, contents)


def set_raw(
    message: message_pb2.RawMessage, given: RawMessage, contents: Contents
) -> None:
    """Make *message* what *given* is.

    Raises `OSError` for a file that can't be read, and `TypeError` for one string in
    place of several recipients.
    """
    if isinstance(given.recipients, str):
        raise TypeError("recipients are a list, even if there is but one")
    message.envelope_from = given.envelope_from
    message.recipients.extend(given.recipients)
    place = Place(owner=message, path="raw_message", within="data")
    contents.add(place, given.data)


def _set_people(
    message: message_pb2.Message, given: MailArguments, problems: Problems
) -> None:
    if from_ := given.get("from_"):
        message.from_mailbox.CopyFrom(_mailbox("message.from", from_, problems))
    if sender := given.get("sender"):
        message.sender.CopyFrom(_mailbox("message.sender", sender, problems))
    message.to.extend(_mailboxes("to", given.get("to"), problems))
    message.cc.extend(_mailboxes("cc", given.get("cc"), problems))
    message.bcc.extend(_mailboxes("bcc", given.get("bcc"), problems))
    reply_to = _mailboxes("reply_to", given.get("reply_to"), problems)
    message.reply_to.extend(reply_to)


def _mailboxes(
    field: str, given: Addresses | None, problems: Problems
) -> Iterator[message_pb2.Mailbox]:
    one_or_more = (given,) if isinstance(given, str | Mailbox) else given or ()
    for place, one in enumerate(several(field, one_or_more, "mailboxes")):
        yield _mailbox(f"message.{field}[{place}].address", one, problems)


def _mailbox(field: str, given: object, problems: Problems) -> message_pb2.Mailbox:
    if not isinstance(given, str | Mailbox):
        kind = type(given).__name__
        raise TypeError(f"{field}: give text or a Mailbox, not {kind}")
    try:
        mailbox = read_mailbox(given)
    except ValueError as error:
        problems.add(field, str(error))
        return message_pb2.Mailbox()
    return message_pb2.Mailbox(address=mailbox.address, name=mailbox.name)


def _attach(
    message: message_pb2.Message,
    number: int,
    given: AttachmentLike,
    contents: Contents,
) -> None:
    if not isinstance(given, Attachment):
        given = Attachment.from_path(given)
    attachment = message.attachments.add(
        filename=given.filename,
        content_type=given.content_type,
        disposition=_DISPOSITIONS[given.inline],
        content_id=given.content_id,
    )
    if isinstance(given.data, str):
        raise TypeError("an attachment's data is bytes, a Path or a binary file")
    path = f"message.attachments[{number}]"
    contents.add(Place(owner=attachment, path=path, within="data"), given.data)


def _unsubscribe(given: Unsubscribe) -> message_pb2.Unsubscribe:
    return message_pb2.Unsubscribe(
        url=given.url, mailto=given.mailto, one_click=given.one_click
    )


def _headers(given: Headers) -> Iterator[message_pb2.Header]:
    pairs = given.items() if isinstance(given, Mapping) else given
    for place, pair in enumerate(several("headers", pairs, "names and texts")):
        match pair:
            case (str() as name, str() as value):
                yield message_pb2.Header(name=name, value=value)
            case _:
                raise TypeError(f"headers[{place}]: give a name and its value, texts")
