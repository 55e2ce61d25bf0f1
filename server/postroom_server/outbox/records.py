"""A delivery as the row of the table `delivery`, and back.

Its `doc` is of a versioned format.  A document of a newer format is not guessed at:
reading it raises `UnreadableDelivery`, and so does a damaged one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from postroom_server.domain.clock import Instant
from postroom_server.domain.delivery import Delivery
from postroom_server.outbox.documents import (
    Read,
    attempt_in,
    compact,
    plan_in,
    plan_text,
    recipient_in,
)
from postroom_server.outbox.texts import attempt_text, listed, quoted, recipient_text

FORMAT = 1


class UnreadableDelivery(Exception):
    """The stored form of a delivery is damaged, or newer than this version."""


def delivery_document(delivery: Delivery) -> str:
    """What of *delivery* has no column."""
    plan = plan_text(delivery.plan)
    recipients = listed(map(recipient_text, delivery.recipients))
    sender, subject = quoted(delivery.envelope_from), quoted(delivery.subject)
    head = f'{{"v":{FORMAT},"plan":{plan},"to":{recipients},"from":{sender}'
    return (
        f'{head},"subj":{subject},"exp":{delivery.expire_at}'
        f"{_asked(delivery)}{_state(delivery)}{_tries(delivery)}}}"
    )


def _asked(delivery: Delivery) -> str:
    text = ""
    if delivery.size_bytes:
        text += f',"size":{delivery.size_bytes}'
    if delivery.trace_id:
        text += f',"trace":{quoted(delivery.trace_id)}'
    if delivery.metadata:
        text += f',"meta":{compact(delivery.metadata)}'
    if delivery.tags:
        text += f',"tags":{compact(delivery.tags)}'
    if delivery.send_at is not None:
        text += f',"at":{delivery.send_at}'
    return text


def _state(delivery: Delivery) -> str:
    text = ""
    if delivery.due_at is not None:
        text += f',"due":{delivery.due_at}'
    if delivery.leased_at is not None:
        text += f',"lease":{delivery.leased_at}'
    if delivery.data_marked:
        text += ',"mark":true'
    if delivery.sent_at is not None:
        text += f',"sent":{delivery.sent_at}'
    return text


def _tries(delivery: Delivery) -> str:
    text = ""
    if delivery.attempts_made:
        text += f',"made":{delivery.attempts_made}'
    if delivery.tries:
        text += f',"tries":{delivery.tries}'
    if delivery.crashes:
        text += f',"crash":{delivery.crashes}'
    if delivery.uncertain_retries:
        text += f',"unc":{delivery.uncertain_retries}'
    if delivery.maybe_duplicate:
        text += ',"dup":true'
    if delivery.attempts:
        text += f',"att":{listed(map(attempt_text, delivery.attempts))}'
    return text


def delivery_in(row: tuple[Any, ...]) -> Delivery:
    """The delivery whose columns a query of `reading.sql` gave."""
    try:
        document = json.loads(row[9])
        if document["v"] <= FORMAT:
            return _delivery(row, document)
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableDelivery(f"delivery {row[0]} is damaged") from error
    raise UnreadableDelivery(f"delivery {row[0]} has format {document['v']}")


def _delivery(row: tuple[Any, ...], document: Read) -> Delivery:
    get: Callable[..., Any] = document.get
    return Delivery(
        id=row[0],
        tenant=row[1],
        relay=row[2],
        version=row[3],
        accepted_at=Instant(row[4]),
        settled_at=row[5],
        content_purged=bool(row[6]),
        message_id=row[7],
        request_id=row[8],
        plan=plan_in(document["plan"]),
        recipients=tuple(recipient_in(r) for r in document["to"]),
        attempts=tuple(attempt_in(a) for a in get("att", ())),
        envelope_from=get("from", ""),
        subject=get("subj", ""),
        expire_at=get("exp", 0),
        size_bytes=get("size", 0),
        trace_id=get("trace", ""),
        metadata=tuple((name, value) for name, value in get("meta", ())),
        tags=tuple(get("tags", ())),
        send_at=get("at"),
        due_at=get("due"),
        leased_at=get("lease"),
        attempts_made=get("made", 0),
        tries=get("tries", 0),
        crashes=get("crash", 0),
        data_marked=get("mark", False),
        uncertain_retries=get("unc", 0),
        maybe_duplicate=get("dup", False),
        sent_at=get("sent"),
    )
