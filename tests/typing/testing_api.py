"""`postroom.testing` as a user types it; checked by mypy and pyright, never run.

Where a line ignores an error, it has to be one.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import assert_type

from postroom import AsyncClient, Attachment, Client, Mailbox
from postroom.testing import Inbox, PostroomDouble, ReceivedMail, RelayDouble, Trouble


def a_double() -> None:
    with PostroomDouble(
        relays=["main", "bulk"],
        from_address="",
        settings={"limits.max_recipients": 5},
        environ="POSTROOM_TARGET",
    ) as postroom:
        assert_type(postroom.target, str)
        assert_type(postroom.client(), Client)
        assert_type(postroom.async_client(timeout=1), AsyncClient)
        assert_type(postroom.inbox, Inbox)
        assert_type(postroom.relay, RelayDouble)
        postroom.reset()


def what_arrived(inbox: Inbox) -> None:
    mail = inbox.one(to="ada@example.com", subject=re.compile("x"), timeout=1)
    assert_type(mail, ReceivedMail)
    assert_type(inbox.wait_for(2, subject="x"), tuple[ReceivedMail, ...])
    assert_type(inbox[0], ReceivedMail)
    assert_type(inbox[:2], tuple[ReceivedMail, ...])
    assert_type([one.subject for one in inbox], list[str])
    assert_type(mail.text, str | None)
    assert_type(mail.to, tuple[Mailbox, ...])
    assert_type(mail.attachments, tuple[Attachment, ...])
    assert_type(mail.headers["X"], str)
    assert_type(mail.link("x"), str)
    assert_type(mail.date, datetime)


def trouble(relay: RelayDouble) -> None:
    with relay.refuse("a@example.com", "550 no", times=1) as one:
        assert_type(one, Trouble)
    relay.hang_up(after="EHLO").lift()
    relay.hang_up(after="QUIT")  # type: ignore[arg-type]
    relay.slow("long")  # type: ignore[arg-type]
