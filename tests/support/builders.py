"""Valid values in few words: what a test does not name, it does not care about.

change = a_new_delivery()                       # queued, due at once
change = a_new_delivery(tenant="b", leased=True)  # an attempt has begun
change = a_finish(change.after)                 # every recipient delivered
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from postroom_server.domain.address import Address
from postroom_server.domain.attempt import Attempt, AttemptOutcome, Phase
from postroom_server.domain.clock import Instant
from postroom_server.domain.counters import Counters
from postroom_server.domain.delivery import (
    Delivery,
    DeliveryStatus,
    Plan,
    Recipient,
    RecipientStatus,
)
from postroom_server.domain.events import Event, EventKind
from postroom_server.domain.message import Attachment, Identity, Mailbox, Message
from postroom_server.domain.reply import Reply
from postroom_server.domain.submission import Completion, OnUncertain, RetryPolicy
from postroom_server.domain.transitions import (
    Change,
    Fate,
    begin_attempt,
    finish_attempt,
)
from postroom_server.outbox.store import Content, RequestRecord

NOW = Instant(1_800_000_000_000_000)
SECOND = 1_000_000
DAY = 86_400 * SECOND
SENDER = "ann@example.org"
RECIPIENT = "bob@example.com"
OK = Reply(250, "2.0.0", "queued", Phase.END_OF_DATA)
LATER = Reply(451, "4.3.0", "try again", Phase.RCPT)

_ids = itertools.count(1)


def an_id() -> str:
    """An id that no other has, in the order of calls."""
    return f"{next(_ids):032x}"


def an_address(text: str = RECIPIENT) -> Address:
    local, _, domain = text.rpartition("@")
    return Address(text, local, domain.lower())


def a_mailbox(text: str = RECIPIENT, name: str = "") -> Mailbox:
    return Mailbox(an_address(text), name)


def a_message(*to: str, **fields: Any) -> Message:
    """A message to *to* (or to Bob); *fields* are those of `Message`."""
    plain = {
        "from_mailbox": a_mailbox(SENDER, "Ann"),
        "to": tuple(map(a_mailbox, to or (RECIPIENT,))),
        "subject": "Hello",
        "text": "Hello, Bob.\r\n",
    }
    return Message(**{**plain, **fields})


def an_attachment(data: bytes = b"%PDF-1.7", **fields: Any) -> Attachment:
    plain = {"filename": "a.pdf", "content_type": "application/pdf", "data": data}
    return Attachment(**{**plain, **fields})


def an_identity() -> Identity:
    return Identity("<1@example.org>", NOW, "b0undary")


def a_content(*to: str, **fields: Any) -> Content:
    return Content(a_message(*to, **fields), an_identity())


def a_plan(**fields: Any) -> Plan:
    plain = {
        "completion": Completion.ACCEPTED,
        "on_uncertain": OnUncertain.RETRY,
        "retry": RetryPolicy(),
    }
    return Plan(**{**plain, **fields})


def a_recipient(address: str = RECIPIENT, **fields: Any) -> Recipient:
    return Recipient(address=address, wire=address, **fields)


def a_delivery(*to: str, **fields: Any) -> Delivery:
    """A delivery to *to* (or to Bob), due now; *fields* are those of `Delivery`."""
    delivery_id = fields.pop("id", None) or an_id()
    plain = {
        "id": delivery_id,
        "tenant": "default",
        "relay": "main",
        "request_id": "",
        "plan": a_plan(),
        "envelope_from": SENDER,
        "subject": "Hello",
        "message_id": f"<{delivery_id}@example.org>",
        "accepted_at": NOW,
        "expire_at": Instant(NOW + DAY),
        "recipients": tuple(map(a_recipient, to or (RECIPIENT,))),
        "due_at": NOW,
    }
    return Delivery(**{**plain, **fields})


def a_new_delivery(*to: str, leased: bool = False, **fields: Any) -> Change:
    """What `Outbox.accept` takes; *leased*: its first attempt has begun with it."""
    delivery = a_delivery(*to, **fields)
    event = Event(
        kind=EventKind.ACCEPTED,
        occurred_at=delivery.accepted_at,
        status=DeliveryStatus.QUEUED,
    )
    counters = Counters(accepted=1)
    if not leased:
        return Change(
            before=delivery, after=delivery, events=(event,), counters=counters
        )
    begun = begin_attempt(delivery, delivery.accepted_at)
    return replace(
        begun, events=(event, *begun.events), counters=counters + begun.counters
    )


def an_attempt(delivery: Delivery, **fields: Any) -> Attempt:
    """The attempt under way of *delivery*, ended and accepted a second later."""
    began = delivery.leased_at or NOW
    plain = {
        "number": delivery.attempts_made,
        "relay": delivery.relay,
        "started_at": began,
        "ended_at": Instant(began + SECOND),
        "outcome": AttemptOutcome.ACCEPTED,
        "phase": Phase.END_OF_DATA,
        "reply": OK,
        "recipients_delivered": len(delivery.open_recipients),
    }
    return Attempt(**{**plain, **fields})


def a_finish(delivery: Delivery, fates: Mapping[str, Fate] | None = None) -> Change:
    """The attempt under way delivers to all who are open, or as *fates* say."""
    delivered = Fate(status=RecipientStatus.DELIVERED, reply=OK)
    chosen = fates or {r.wire: delivered for r in delivery.open_recipients}
    return finish_attempt(delivery, an_attempt(delivery), chosen, None)


def a_deferral(delivery: Delivery, due_at: Instant) -> Change:
    """The attempt under way puts off all who are open until *due_at*."""
    put_off = Fate(status=RecipientStatus.DEFERRED, reply=LATER)
    attempt = an_attempt(
        delivery,
        outcome=AttemptOutcome.TEMP_FAILED,
        reply=LATER,
        recipients_delivered=0,
    )
    fates = {r.wire: put_off for r in delivery.open_recipients}
    return finish_attempt(delivery, attempt, fates, due_at)


def a_request(
    delivery: Delivery, request_id: str = "r1", **fields: Any
) -> RequestRecord:
    """The record that *request_id* made *delivery*, good for a day."""
    plain = {
        "tenant": delivery.tenant,
        "request_id": request_id,
        "method": "SendMessage",
        "fingerprint": b"\x01" * 32,
        "delivery_id": delivery.id,
        "expires_at": Instant(NOW + DAY),
    }
    return RequestRecord(**{**plain, **fields})
