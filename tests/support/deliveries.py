"""Deliveries in any state, in few words."""

from __future__ import annotations

from dataclasses import replace

from postroom_server.domain.clock import Instant
from postroom_server.domain.delivery import Delivery, Plan, Recipient, RecipientStatus
from postroom_server.domain.submission import Completion, OnUncertain, RetryPolicy
from postroom_server.domain.transitions import begin_attempt

NOW = Instant(1_700_000_000_000_000)
HOUR = 3_600_000_000


def a_plan(
    completion: Completion = Completion.RELAYED,
    on_uncertain: OnUncertain = OnUncertain.RETRY,
    **retry: object,
) -> Plan:
    return Plan(
        completion=completion, on_uncertain=on_uncertain, retry=RetryPolicy(**retry)
    )


def a_delivery(*statuses: RecipientStatus, **fields: object) -> Delivery:
    """A delivery to ada@, bob@, cyd@… with these statuses; due now if one is open."""
    names = ["ada", "bob", "cyd", "dan", "eve"]
    recipients = tuple(
        Recipient(address=f"{n}@example.com", wire=f"{n}@example.com", status=s)
        for n, s in zip(names, statuses or (RecipientStatus.PENDING,), strict=False)
    )
    is_open = any(r.status.is_open for r in recipients)
    delivery = Delivery(
        id="0" * 32,
        tenant="default",
        relay="main",
        request_id="",
        plan=a_plan(),
        envelope_from="me@example.com",
        subject="Hello",
        message_id="<1@example.com>",
        accepted_at=NOW,
        expire_at=Instant(NOW + 24 * HOUR),
        recipients=recipients,
        due_at=NOW if is_open else None,
        settled_at=None if is_open else NOW,
    )
    return replace(delivery, **fields)


def under_way(*statuses: RecipientStatus, **fields: object) -> Delivery:
    """The same with its first attempt begun."""
    return begin_attempt(a_delivery(*statuses, **fields), NOW).after
