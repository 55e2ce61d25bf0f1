"""Which mailboxes a mail may name, and how many."""

from __future__ import annotations

from collections.abc import Sequence

from postroom_server.domain.address import Address, AddressProblem, parse_address
from postroom_server.domain.draft import MailboxDraft, MessageDraft
from postroom_server.domain.limits import Limits
from postroom_server.domain.message import Mailbox
from postroom_server.domain.validation_problems import Problems
from postroom_server.domain.validation_text import check_line

MAX_NAME = 255
"""Characters of a display name."""
NULL_REVERSE_PATH = "<>"
"""How callers write "no bounces, please" (RFC 5321 §4.5.5)."""


def check_address(problems: Problems, field: str, text: str) -> Address | None:
    """The address that *text* is; None when it is none, and why is recorded."""
    if not text:
        problems.add(field, "An address is required.")
        return None
    try:
        return parse_address(text)
    except AddressProblem as problem:
        problems.add(field, str(problem))
        return None


def check_mailbox(
    problems: Problems, field: str, draft: MailboxDraft
) -> Mailbox | None:
    """The mailbox that *draft* describes; None when its address is none."""
    if draft.name:
        check_line(problems, f"{field}.name", draft.name, MAX_NAME)
    address = check_address(problems, f"{field}.address", draft.address)
    return Mailbox(address, draft.name) if address else None


def check_mailboxes(
    problems: Problems, field: str, drafts: Sequence[MailboxDraft]
) -> tuple[Mailbox, ...]:
    """Those of *drafts* that are valid, in order."""
    if not drafts:
        return ()
    checked = [
        check_mailbox(problems, f"{field}[{i}]", draft)
        for i, draft in enumerate(drafts)
    ]
    return tuple(filter(None, checked))


def check_recipient_count(
    problems: Problems, draft: MessageDraft, limits: Limits
) -> None:
    """Find whether there are too few or too many, before equal ones collapse."""
    count = len(draft.to) + len(draft.cc) + len(draft.bcc)
    limit = limits.max_recipients
    if count == 0:
        problems.add("message.to", "At least one recipient is required.")
    if count > limit:
        problems.add(
            "message.to",
            f"{count:,} recipients in to, cc and bcc; at most {limit:,} are allowed.",
        )


def check_reply_to(
    problems: Problems, drafts: tuple[MailboxDraft, ...], limits: Limits
) -> tuple[Mailbox, ...]:
    """The mailboxes of the Reply-To header."""
    limit = limits.max_reply_to
    if len(drafts) > limit:
        problems.add(
            "message.reply_to",
            f"{len(drafts):,} mailboxes; at most {limit:,} are allowed.",
        )
    return check_mailboxes(problems, "message.reply_to", drafts[:limit])
