"""What is past its time in an outbox in memory: all of it at once."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from postroom_server.domain.clock import Instant, after
from postroom_server.outbox.memory.state import MemoryState
from postroom_server.outbox.store import Blob, RequestRecord, Retention

Expires = TypeVar("Expires", RequestRecord, Blob)


def purge(state: MemoryState, now: Instant, retention: Retention) -> int:
    """Remove it; how much that was.  See `Outbox.purge`."""
    with state.mutex:
        return (
            _purge_deliveries(state, now, retention)
            + _purge_events(state, after(now, -retention.events))
            + _drop_expired(state.requests, now)
            + _drop_expired(state.blobs, now)
        )


def _purge_deliveries(state: MemoryState, now: Instant, retention: Retention) -> int:
    removed = 0
    for delivery in list(state.deliveries.values()):
        if delivery.settled_at is None:
            continue
        if delivery.settled_at < after(now, -retention.deliveries):
            state.forget(delivery.id)
            removed += 1
        elif not delivery.content_purged and delivery.settled_at < after(
            now, -retention.content
        ):
            state.contents.pop(delivery.id, None)
            version = delivery.version + 1
            state.deliveries[delivery.id] = replace(
                delivery, version=version, content_purged=True, subject=""
            )
            removed += 1
    return removed


def _purge_events(state: MemoryState, before: Instant) -> int:
    kept = [
        e
        for e in state.events
        if e.event.occurred_at >= before
        or state.deliveries[e.source.delivery_id].settled_at is None
    ]
    removed, state.events = len(state.events) - len(kept), kept
    return removed


def _drop_expired(held: dict[tuple[str, str], Expires], now: Instant) -> int:
    past = [key for key, one in held.items() if one.expires_at <= now]
    for key in past:
        del held[key]
    return len(past)
