"""Events, and what is asked for of them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TypeAlias

from postroom.v1 import event_pb2 as wire

from postroom_server.delivery.interest import Interest
from postroom_server.delivery.watching import Batch
from postroom_server.domain.errors import InvalidArgument, Problem
from postroom_server.domain.events import EventKind
from postroom_server.domain.labels import one_tag_problems, pair_problems
from postroom_server.outbox.event_pages import RecordedEvent
from postroom_server.rpc.convert.attempts import number, smtp_reply
from postroom_server.rpc.convert.names import delivery_id
from postroom_server.rpc.convert.times import seconds_of, timestamp, timestamp_if

DELIVERIES_MOST = 100
KINDS_MOST = 30
TAGS_MOST = 10
PAIRS_MOST = 5
"""Entries of the lists in a filter."""
PULLED = 100
PULLED_MOST = 1000
"""Events of one pull: unless another number is asked for, and at most."""
WAIT_MOST = 60.0
"""Seconds."""
ANSWER_BYTES = 1 << 20
"""Octets of the events in one answer."""
_FRAME = 8
"""Octets around an event in its answer, at most."""

Reading: TypeAlias = wire.WatchDeliveriesRequest | wire.PullEventsRequest


def interest(asked: wire.EventFilter) -> Interest:
    """What *asked* wants; whether its deliveries exist is not looked at."""
    problems = [*_problems(asked)]
    if problems:
        raise InvalidArgument(problems)
    return Interest(
        deliveries=frozenset(
            delivery_id(name, f"filter.deliveries[{place}]")
            for place, name in enumerate(asked.deliveries)
        ),
        kinds=frozenset(map(EventKind, asked.kinds)),
        tags=frozenset(asked.tags),
        metadata=tuple(sorted(asked.metadata.items())),
    )


def most_events(request: wire.PullEventsRequest) -> int:
    """How many events *request* wants at most."""
    if request.max_events < 0 or request.max_events > PULLED_MOST:
        problem = Problem(
            "max_events", f"must be 1 to {PULLED_MOST}, or 0 for {PULLED}"
        )
        raise InvalidArgument([problem])
    return request.max_events or PULLED


def wait(request: wire.PullEventsRequest) -> float:
    """How long *request* wants to wait for a first event, in seconds."""
    if not request.HasField("wait"):
        return 0.0
    seconds = seconds_of(request.wait, "wait")
    if seconds > WAIT_MOST:
        raise InvalidArgument([Problem("wait", f"must be 0 to {WAIT_MOST:.0f} s")])
    return seconds


@lru_cache(maxsize=2048)
def event(found: RecordedEvent) -> wire.Event:
    """One event, not to be changed: what many watch is made once.

    Its id is that of its delivery with its sequence.
    """
    told, source = found.event, found.source
    return wire.Event(
        id=f"{source.delivery_id}.{found.sequence}",
        kind=number(told.kind),
        occurred_at=timestamp(told.occurred_at),
        delivery=f"deliveries/{source.delivery_id}",
        sequence=found.sequence,
        recipient=told.recipient,
        status=number(told.status),
        attempt=told.attempt,
        reason=number(told.reason),
        reply=smtp_reply(told.reply),
        detail=told.detail,
        next_attempt_at=timestamp_if(told.next_attempt_at),
        relay=f"relays/{source.relay}",
        message_id=source.message_id,
        request_id=source.request_id,
        metadata=dict(source.metadata),
        tags=source.tags,
        trace_id=source.trace_id,
    )


def answers(batch: Batch) -> Iterator[tuple[Batch, list[wire.Event]]]:
    """*batch* in parts whose events fit an answer, each with its events as told."""
    while True:
        told = [*_fitting(batch)]
        yield batch.first(len(told)) if told else batch, told
        batch = Batch(batch.events[len(told) :], batch.position)
        if not batch.events:
            return


def _fitting(batch: Batch) -> Iterator[wire.Event]:
    """As many events of *batch* as fit an answer, the first in any case."""
    room = ANSWER_BYTES
    for place, found in enumerate(batch.events):
        told = event(found)
        room -= told.ByteSize() + _FRAME
        if place and room < 0:
            return
        yield told


def _problems(asked: wire.EventFilter) -> Iterator[Problem]:
    for name, most in (
        ("deliveries", DELIVERIES_MOST),
        ("kinds", KINDS_MOST),
        ("tags", TAGS_MOST),
    ):
        if len(getattr(asked, name)) > most:
            yield Problem(f"filter.{name}", f"at most {most} entries")
    for place, kind in enumerate(asked.kinds):
        if not kind:
            yield Problem(f"filter.kinds[{place}]", "must not be UNSPECIFIED")
    for place, tag in enumerate(asked.tags):
        yield from one_tag_problems(f"filter.tags[{place}]", tag)
    pairs = tuple(sorted(asked.metadata.items()))
    yield from pair_problems("filter.metadata", pairs, PAIRS_MOST)
