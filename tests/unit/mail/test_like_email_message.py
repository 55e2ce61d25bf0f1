"""A composed mail says what `EmailMessage` says of the same mail.

The standard library builds the mail from the same wishes; what it holds is compared
with what it reads in the octets that we wrote.
"""

from __future__ import annotations

from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from postroom_server.domain.clock import Instant
from postroom_server.domain.draft import AttachmentDraft, Disposition, MessageDraft
from postroom_server.domain.message import Identity, Mailbox, Message
from postroom_server.mail.composer import compose
from postroom_server.mail.headers import rfc5322_date

from tests.support.mails import addresses_in, checked, drafts, reading

pytestmark = pytest.mark.timeout(120)
LISTS = ("From", "Sender", "Reply-To", "To", "Cc")
DATES = st.integers(0, 253_402_300_799).map(lambda s: Instant(s * 1_000_000))


@settings(max_examples=40)
@given(drafts(), DATES)
def test_headers_and_parts_are_those_of_the_standard_library(asked, date_at):
    # What looks like an encoded word says to the library what it would decode to.
    assume(
        not any("=?" in h for h in (asked.subject, *(h.value for h in asked.headers)))
    )
    message = checked(asked).message
    identity = Identity("<1@example.com>", date_at, "b0" * 16)
    content = bytes(compose(message, identity))
    theirs, ours = built(asked, message, identity), reading(content)

    for name in LISTS:
        assert (name in ours) == (name in theirs)
        if name in ours:
            assert addresses_in(content, name) == [
                (a.display_name, a.addr_spec) for a in theirs[name].addresses
            ]
    assert headers_of(ours) == headers_of(theirs)
    assert ours["Date"].datetime == theirs["Date"].datetime
    assert part_of(ours) == part_of(theirs)


def built(asked: MessageDraft, message: Message, identity: Identity) -> EmailMessage:
    """The mail as `EmailMessage` has it, not written yet."""
    mail = EmailMessage()
    mail["From"] = address(message.from_mailbox)
    if (
        message.sender
        and message.sender.address.key != message.from_mailbox.address.key
    ):
        mail["Sender"] = address(message.sender)
    lists = {"Reply-To": message.reply_to, "To": message.to, "Cc": message.cc}
    for name, mailboxes in lists.items():
        if mailboxes:
            mail[name] = [address(mailbox) for mailbox in mailboxes]
    mail["Subject"] = asked.subject
    mail["Date"] = parsedate_to_datetime(rfc5322_date(identity.date_at))
    mail["Message-ID"] = identity.message_id
    for header in asked.headers:
        mail[header.name] = header.value
    fill(mail, asked)
    return mail


def fill(mail: EmailMessage, asked: MessageDraft) -> None:
    if asked.text:
        mail.set_content(asked.text)
    if asked.html and asked.text:
        mail.add_alternative(asked.html, subtype="html")
    elif asked.html:
        mail.set_content(asked.html, subtype="html")
    for file in asked.attachments:
        if file.disposition is Disposition.INLINE:
            html = mail.get_body(("html",))
            assert isinstance(html, EmailMessage)
            html.add_related(file.data, **described(file), disposition="inline")
    for file in asked.attachments:
        if file.disposition is not Disposition.INLINE:
            mail.add_attachment(file.data, **described(file))


def described(file: AttachmentDraft) -> dict[str, Any]:
    main, _, rest = file.content_type.partition("/")
    subtype, _, parameters = rest.partition("; ")
    named = [p.split("=") for p in parameters.split("; ") if p]
    return {
        "maintype": main,
        "subtype": subtype,
        "filename": file.filename,
        "cid": f"<{file.content_id}>" if file.content_id else None,
        "params": dict(named),
    }


def address(mailbox: Mailbox) -> Address:
    local, _, domain = mailbox.address.shown.rpartition("@")
    if local.startswith('"'):
        local = local[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return Address(mailbox.name, local, domain)


def headers_of(mail: EmailMessage) -> list[tuple[str, str]]:
    """All that are neither read apart nor ours to choose, in their order.

    The library takes white space off a value's begin when it is set.
    """
    apart = {
        *LISTS,
        "Date",
        "MIME-Version",
        "List-Unsubscribe",
        "List-Unsubscribe-Post",
    }
    return [
        (name, str(value).lstrip())
        for name, value in mail.items()
        if name not in apart and not name.startswith("Content-")
    ]


def part_of(mail: Any) -> tuple[Any, ...]:
    """What stands in a part, with the parts within it."""
    kind = mail.get_content_type()
    if mail.is_multipart():
        return (kind, [part_of(part) for part in mail.iter_parts()])
    octets = mail.get_payload(decode=True)
    parameters = {k: v for k, v in mail["Content-Type"].params.items() if k != "name"}
    placing, name = mail.get_content_disposition(), mail.get_filename()
    if placing is None:
        return (kind, parameters, lines(octets.decode()))
    return (kind, parameters, placing, name, str(mail["Content-ID"]), octets)


def lines(text: str) -> str:
    """*text* with one kind of line end, and at most one at its end."""
    return text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")
