"""From what a caller asked for to a mail that may be composed, or to all its problems.

Every rule of `postroom.v1.Message` is checked here or in a sibling (`validation_*`),
every problem is found in one go, and nothing is repaired, cut or dropped.  Left to
composing are the sizes of what is composed: the header block and the whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from postroom_server.domain.address import Address
from postroom_server.domain.draft import MailboxDraft, MessageDraft, RawDraft
from postroom_server.domain.limits import Limits
from postroom_server.domain.message import (
    AnyMessage,
    Attachment,
    Mailbox,
    Message,
    RawMessage,
    Unsubscribe,
)
from postroom_server.domain.octets import Contents
from postroom_server.domain.validation_addresses import (
    NULL_REVERSE_PATH,
    check_address,
    check_mailbox,
    check_mailboxes,
    check_recipient_count,
    check_reply_to,
)
from postroom_server.domain.validation_attachments import check_attachments
from postroom_server.domain.validation_headers import check_headers, check_message_id
from postroom_server.domain.validation_problems import Problems
from postroom_server.domain.validation_raw import check_raw
from postroom_server.domain.validation_text import Bodies, check_bodies, check_subject
from postroom_server.domain.validation_unsubscribe import check_unsubscribe
from postroom_server.domain.validation_warnings import warnings_of
from postroom_server.domain.values import value


@value(frozen=True, slots=True)
class SenderDefaults:
    """What the relay's configuration says where the mail says nothing.

    *envelope_from* may be "<>"; empty ones say nothing.
    """

    from_address: str = ""
    envelope_from: str = ""
    from_name: str = ""


NO_CONTENTS: Contents = MappingProxyType({})


@value(frozen=True)
class ValidMessage:
    """A mail without problems.

    *envelope_from* is None for the null reverse path; *message_id* is empty where one
    is to be generated.
    """

    message: AnyMessage
    envelope_from: Address | None
    message_id: str

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """What is allowed and probably not meant, at most 20 sentences."""
        if isinstance(self.message, RawMessage):
            return ()
        return warnings_of(self.message)


def check_any(
    draft: MessageDraft | RawDraft,
    defaults: SenderDefaults,
    limits: Limits,
    contents: Contents,
) -> ValidMessage:
    """The mail that *draft* asks for, in parts or composed by its caller.

    Raises `InvalidMessage` with every problem.
    """
    if isinstance(draft, MessageDraft):
        return check_message(draft, defaults, limits, contents)
    raw = check_raw(draft, contents, limits)
    return ValidMessage(raw.message, raw.envelope_from, raw.message.message_id)


@dataclass(slots=True)
class _Addresses:
    author: Mailbox | None
    sender: Mailbox | None
    reply_to: tuple[Mailbox, ...]
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...]
    bcc: tuple[Mailbox, ...]
    envelope_from: Address | None


def check_message(
    draft: MessageDraft,
    defaults: SenderDefaults,
    limits: Limits,
    contents: Contents = NO_CONTENTS,
) -> ValidMessage:
    """The mail that *draft* asks for; raises `InvalidMessage` with every problem.

    *contents* has what each blob or part stands for that *draft* names.
    """
    problems = Problems()
    addresses = _addresses(problems, draft, defaults, limits)
    check_subject(problems, draft.subject, limits)
    bodies = check_bodies(problems, draft, contents, limits)
    attachments = check_attachments(problems, draft, contents, limits)
    check_headers(problems, draft.headers, limits)
    check_message_id(problems, draft.message_id)
    unsubscribe = check_unsubscribe(problems, draft.unsubscribe, draft.headers)
    problems.refuse()
    message = _message(draft, addresses, bodies, attachments, unsubscribe)
    return ValidMessage(message, addresses.envelope_from, draft.message_id)


def _addresses(
    problems: Problems, draft: MessageDraft, defaults: SenderDefaults, limits: Limits
) -> _Addresses:
    author = _author(problems, draft.from_mailbox, defaults)
    sender = draft.sender
    # Of too many only the first are looked at: a million costs no more than that.
    most = limits.max_recipients
    check_recipient_count(problems, draft, limits)
    return _Addresses(
        author=author,
        sender=check_mailbox(problems, "message.sender", sender) if sender else None,
        reply_to=check_reply_to(problems, draft.reply_to, limits),
        to=check_mailboxes(problems, "message.to", draft.to[:most]),
        cc=check_mailboxes(problems, "message.cc", draft.cc[:most]),
        bcc=check_mailboxes(problems, "message.bcc", draft.bcc[:most]),
        envelope_from=_envelope_from(problems, draft, defaults, author),
    )


def _author(
    problems: Problems, draft: MailboxDraft | None, defaults: SenderDefaults
) -> Mailbox | None:
    field = "message.from_mailbox"
    if draft is not None:
        return check_mailbox(problems, field, draft)
    if not defaults.from_address:
        problems.add(field, "Required: the relay has no from_address to use instead.")
        return None
    default = MailboxDraft(defaults.from_address, defaults.from_name)
    return check_mailbox(problems, field, default)


def _envelope_from(
    problems: Problems,
    draft: MessageDraft,
    defaults: SenderDefaults,
    author: Mailbox | None,
) -> Address | None:
    text = draft.envelope_from or defaults.envelope_from
    if text == NULL_REVERSE_PATH:
        return None
    if text:
        return check_address(problems, "message.envelope_from", text)
    return author.address if author else None


def _message(
    draft: MessageDraft,
    addresses: _Addresses,
    bodies: Bodies,
    attachments: tuple[Attachment, ...],
    unsubscribe: Unsubscribe | None,
) -> Message:
    assert addresses.author is not None, "a mail without problems has an author"
    return Message(
        from_mailbox=addresses.author,
        sender=addresses.sender,
        reply_to=addresses.reply_to,
        to=addresses.to,
        cc=addresses.cc,
        bcc=addresses.bcc,
        subject=draft.subject,
        text=bodies.text,
        html=bodies.html,
        attachments=attachments,
        headers=draft.headers,
        unsubscribe=unsubscribe,
    )
