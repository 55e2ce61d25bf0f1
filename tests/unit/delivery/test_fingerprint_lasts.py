"""A request from before an upgrade is the same after it: its fingerprint is stored."""

from __future__ import annotations

import pytest
from postroom_server.delivery.fingerprint import fingerprint, of_values
from postroom_server.domain.clock import Instant
from postroom_server.domain.draft import (
    AttachmentDraft,
    Disposition,
    Header,
    MailboxDraft,
    MessageDraft,
    RawDraft,
    UnsubscribeDraft,
)
from postroom_server.domain.dsn import Dsn, DsnNotify, DsnReturn
from postroom_server.domain.submission import (
    Completion,
    OnUncertain,
    Priority,
    RetryDraft,
    Submission,
)

FULL = MessageDraft(
    from_mailbox=MailboxDraft("ada@example.com", "Ada Ł. \ud800"),
    sender=MailboxDraft("bob@example.com"),
    reply_to=(MailboxDraft("cyd@example.com", "Cyd"),),
    to=(MailboxDraft("dan@example.net"), MailboxDraft("eve@example.net", '"E"')),
    cc=(MailboxDraft("fay@example.net"),),
    bcc=(MailboxDraft("guy@example.net"),),
    envelope_from="<>",
    subject="Wanted – 😀",
    text="Grüße\n" * 700,
    html="<p>" * 40_000,
    attachments=(
        AttachmentDraft(filename="a.pdf", content_type="a/b", data=b"x" * 4095),
        AttachmentDraft(
            filename="b.png",
            content_type="image/png",
            data_base64="eHg=",
            disposition=Disposition.INLINE,
            content_id="b",
        ),
        AttachmentDraft(filename="c", content_type="", data_base64="?"),
    ),
    headers=(Header("X-One", "1"), Header("X-Two", "2")),
    message_id="<1@example.com>",
    unsubscribe=UnsubscribeDraft(url="https://example.com/u", one_click=True),
)
BARE = MessageDraft(to=(MailboxDraft("dan@example.net"),), text="Hello")
ASKED = {
    "all there is": Submission(
        message=FULL,
        retry=RetryDraft(quick_delays=(0.5, 3.0), min_delay=60.0, max_attempts=3),
        completion=Completion.ACCEPTED,
        on_uncertain=OnUncertain.HOLD,
        send_at=Instant(2_000_000_000_000_000),
        expire_at=Instant(2_000_000_000_000_001),
        all_recipients_or_none=True,
        dsn=Dsn(
            notify=(DsnNotify.FAILURE, DsnNotify.SUCCESS),
            return_content=DsnReturn.HEADERS,
            envelope_id="x",
        ),
        priority=Priority.BULK,
        metadata=(("b", "2"), ("a", "1")),
        tags=("z", "y"),
    ),
    "what must be": Submission(message=BARE),
    "a raw mail": Submission(
        message=RawDraft(
            data=b"Subject: x\r\n\r\n" * 300,
            envelope_from="ada@example.com",
            recipients=("dan@example.net",),
        )
    ),
}
PRINTS = {
    "all there is": "458357f6b99633feffb0441c66a514b44f224e58012235b9886442e95972e619",
    "what must be": "485e0f0b6266bcb5cc532e75d36656b6c83df02152149012411535b8d3ad70db",
    "a raw mail": "0f337f6e35d8fd63a35d95693a35a6b08216be7bb488f0266813c6264e70408f",
}


@pytest.mark.parametrize("name", ASKED)
def test_the_fingerprint_of_a_request_never_changes(name):
    assert fingerprint(ASKED[name], "relays/main").hex() == PRINTS[name]


def test_the_fingerprint_of_values_never_changes():
    print_ = of_values(delivery="d", tags=("b", "a"), number=1.5, nothing=None)

    assert (
        print_.hex()
        == "02ac30e2827a286e59597cb1c26c2c574d922f0b47798a4976aa5b1e17293941"
    )
