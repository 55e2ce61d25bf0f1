"""A change of a delivery as rows to write, by the name of the query that writes them.

Rows are made on the caller's thread, so that the one thread that commits has nothing
to do but write.  Rows of many callers are merged and written together, query by query
in the order `ORDER`; that is sound because callers who wait at the same time have no
order among themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import add
from typing import cast

from postroom_server.domain.attempt import Attempt
from postroom_server.domain.clock import Instant
from postroom_server.domain.counters import Counters, counts_of
from postroom_server.domain.delivery import Delivery
from postroom_server.domain.events import Event
from postroom_server.domain.lane import LaneKey
from postroom_server.domain.submission import Priority
from postroom_server.domain.transitions import Change
from postroom_server.outbox.label_keys import keys_of
from postroom_server.outbox.records import delivery_document
from postroom_server.outbox.statements import Row
from postroom_server.outbox.store import RequestRecord
from postroom_server.outbox.texts import attempt_text, event_text

Rows = dict[str, list[Row]]

ORDER = (
    "add_delivery",
    "change_delivery",
    "add_content",
    "add_content_file",
    "keep_blob",
    "add_attempt",
    "add_event",
    "add_recipient",
    "add_label",
    "drop_due",
    "put_due",
    "drop_request",
    "add_request",
    "add_counter",
    "put_pause",
    "drop_pause",
    "put_hold",
    "drop_hold",
)
# Each of their rows must change a row: it is the check that the version still holds.
EXACT = frozenset({"change_delivery", "add_event"})


def rows_of_new(change: Change, content: Row) -> Rows:
    """What makes *change.after* exist; *content* is its format and bytes."""
    delivery = change.after
    # What takes them away again reads them from the document.
    keys = {recipient.wire for recipient in delivery.recipients}
    rows: Rows = {
        "add_delivery": [_new_row(delivery, len(change.events))],
        "add_content": [(delivery.id, *content)],
        "add_recipient": [_key_row(delivery, key) for key in keys],
    }
    if labels := tuple(keys_of(delivery.tags, delivery.metadata)):
        rows["add_label"] = [_key_row(delivery, key) for key in labels]
    _add_common(rows, change)
    return rows


def rows_of_change(change: Change) -> Rows:
    """What turns *change.before* into *change.after*."""
    before, after = change.before, change.after
    rows: Rows = {"change_delivery": [_changed_row(change)]}
    if change.attempt is not None and len(after.attempts) == len(before.attempts):
        rows["add_attempt"] = [_attempt_row(after, before.attempts[1])]
    if before.due_at is not None and after.due_at is None:
        rows["drop_due"] = [(after.id,)]
    _add_common(rows, change)
    return rows


def _attempt_row(delivery: Delivery, attempt: Attempt) -> Row:
    """*attempt*, whose place in *delivery* was taken by one that ended after it."""
    return (delivery.id, attempt.number, attempt_text(attempt))


def lane_number(lane: LaneKey) -> int:
    """The column `lane` of the table `due`: priority, and fresh mail or retries."""
    return 2 * lane.priority + lane.retries


def lane_of(number: int, tenant: str) -> LaneKey:
    """The lane that `lane_number` made *number* of."""
    priority, retries = divmod(number, 2)
    return LaneKey(tenant=tenant, priority=Priority(priority), retries=bool(retries))


def request_row(request: RequestRecord) -> Row:
    """*request* as a row."""
    return (
        request.tenant,
        request.request_id,
        request.method,
        request.fingerprint,
        request.delivery_id,
        request.expires_at,
    )


def counter_rows(delivery: Delivery, counters: Counters, sign: int = 1) -> list[Row]:
    """What *counters* add (or, *sign* being -1, take) for the relay and tenant."""
    counts = counts_of(counters)
    if not any(counts):
        return []
    signed = counts if sign == 1 else tuple(-count for count in counts)
    return [(delivery.relay, delivery.tenant, *signed)]


def merged(works: Iterable[Rows]) -> Rows:
    """The rows of all *works*; of one relay and tenant one that counts."""
    every = tuple(works)
    if len(every) == 1:
        return every[0]
    together: Rows = {}
    for rows in every:
        for name, part in rows.items():
            together.setdefault(name, []).extend(part)
    if "add_counter" in together:
        together["add_counter"] = _summed(together["add_counter"])
    return together


def _add_common(rows: Rows, change: Change) -> None:
    after = change.after
    if change.events:
        rows["add_event"] = _event_rows(after, change.events)
    if after.due_at is not None:
        rows["put_due"] = [_due_row(after, after.due_at)]
    counters = counter_rows(after, change.counters)
    if counters:
        rows["add_counter"] = counters


def _key_row(delivery: Delivery, key: str | bytes) -> Row:
    """What *delivery* is listed by."""
    return (delivery.tenant, key, delivery.accepted_at, delivery.id)


def _new_row(delivery: Delivery, events: int) -> Row:
    return (
        delivery.id,
        delivery.tenant,
        delivery.relay,
        # A plain int is bound without a search for an adapter; so are the next.
        int(delivery.plan.completion),
        int(delivery.status),
        delivery.version,
        events,
        delivery.accepted_at,
        delivery.settled_at,
        int(delivery.content_purged),
        delivery.message_id,
        delivery.request_id,
        delivery_document(delivery),
    )


def _changed_row(change: Change) -> Row:
    after = change.after
    return (
        after.id,
        change.before.version,
        after.relay,
        int(after.status),
        after.version,
        len(change.events),
        after.settled_at,
        int(after.content_purged),
        delivery_document(after),
    )


def _event_rows(delivery: Delivery, events: Sequence[Event]) -> list[Row]:
    last = len(events) - 1
    return [
        (
            delivery.tenant,
            delivery.id,
            last - index,
            int(event.kind),
            event.occurred_at,
            event_text(event),
        )
        for index, event in enumerate(events)
    ]


def _due_row(delivery: Delivery, due_at: Instant) -> Row:
    # What expires before its next attempt must be found at its expiry.
    found_at = min(due_at, delivery.expire_at)
    lane = lane_number(delivery.lane)
    return (delivery.id, delivery.relay, lane, delivery.tenant, found_at)


def _summed(rows: Iterable[Row]) -> list[Row]:
    totals: dict[tuple[object, ...], tuple[int, ...]] = {}
    for relay, tenant, *counts in rows:
        key, counted = (relay, tenant), cast("list[int]", counts)
        before = totals.get(key)
        totals[key] = tuple(map(add, before, counted) if before else counted)
    return [(*key, *counts) for key, counts in totals.items()]
