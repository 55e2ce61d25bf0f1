"""`ListDeliveries`: what is asked for, and pages that end in time.

A page ends at the size asked for or at 1 MiB, whichever comes first, and holds one
delivery in any case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from postroom.v1 import delivery_requests_pb2 as wire

from postroom_server.domain.clock import Instant
from postroom_server.domain.delivery import Delivery, DeliveryStatus
from postroom_server.domain.errors import InvalidArgument, Problem
from postroom_server.domain.labels import Pairs, one_tag_problems, pair_problems
from postroom_server.domain.limits import Limits
from postroom_server.outbox.store import DeliveryQuery
from postroom_server.rpc.convert.addresses import checked_address
from postroom_server.rpc.convert.names import relay_id
from postroom_server.rpc.convert.page_tokens import Position
from postroom_server.rpc.convert.results import stored_delivery
from postroom_server.rpc.convert.times import instant_of

PAGE_SIZE = 50
PAGE_SIZE_MOST = 500
"""Deliveries of one page: unless another number is asked for, and at most."""
STATUSES_MOST = 20
PAIRS_MOST = 5
"""Entries of the lists in a filter."""
PAGE_BYTES = 1 << 20
"""Octets of the deliveries in one page."""
_FRAME = 8
"""Octets around a delivery in its page, at most."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page; *last* is where the next one goes on, None if there is none."""

    entries: Sequence[wire.Delivery]
    last: Position | None = None


def _page_size(request: wire.ListDeliveriesRequest) -> int:
    """How many deliveries *request* wants at most."""
    if request.page_size < 0:
        raise InvalidArgument([Problem("page_size", "must not be negative")])
    return min(request.page_size or PAGE_SIZE, PAGE_SIZE_MOST)


def delivery_query(request: wire.ListDeliveriesRequest, tenant: str) -> DeliveryQuery:
    """The conditions of *request*; whether its relay exists is not looked at.

    One more than a page is asked for, to learn whether there is another.
    """
    asked = request.filter
    accepted_from, accepted_before = _times(asked)
    return DeliveryQuery(
        tenant=tenant,
        statuses=_statuses(asked),
        relay=relay_id(asked.relay, "filter.relay") if asked.relay else "",
        recipient=_recipient(asked.recipient),
        message_id=_message_id(asked.message_id),
        tag=_tag(asked.tag),
        metadata=_metadata(asked),
        accepted_from=accepted_from,
        accepted_before=accepted_before,
        limit=_page_size(request) + 1,
    )


def page(found: Sequence[Delivery], limits: Limits, size: int, *, full: bool) -> Page:
    """As many of *found* as go on one page of *size*, the first in any case."""
    room = PAGE_BYTES
    entries: list[wire.Delivery] = []
    for delivery in found[:size]:
        entry = stored_delivery(delivery, limits, full=full)
        room -= entry.ByteSize() + _FRAME
        if entries and room < 0:
            break
        entries.append(entry)
    if len(entries) == len(found):
        return Page(entries)
    last = found[len(entries) - 1]
    return Page(entries, (last.accepted_at, last.id))


def _statuses(asked: wire.DeliveryFilter) -> frozenset[DeliveryStatus]:
    path = "filter.statuses"
    if len(asked.statuses) > STATUSES_MOST:
        raise InvalidArgument([Problem(path, f"at most {STATUSES_MOST} entries")])
    problems = [
        Problem(f"{path}[{place}]", "must not be UNSPECIFIED")
        for place, status in enumerate(asked.statuses)
        if not status
    ]
    if problems:
        raise InvalidArgument(problems)
    return frozenset(map(DeliveryStatus, asked.statuses))


def _times(asked: wire.DeliveryFilter) -> tuple[Instant | None, Instant | None]:
    """From when on, and before when; no mail can be in a time that ends first."""
    start = end = None
    if asked.HasField("accepted_from"):
        start = instant_of(asked.accepted_from, "filter.accepted_from")
    if asked.HasField("accepted_before"):
        end = instant_of(asked.accepted_before, "filter.accepted_before")
    if start is not None and end is not None and end <= start:
        path = "filter.accepted_before"
        raise InvalidArgument([Problem(path, "must be later than accepted_from")])
    return start, end


def _message_id(given: str) -> str:
    if given and not (given.startswith("<") and given.endswith(">")):
        problem = Problem("filter.message_id", "must be in angle brackets")
        raise InvalidArgument([problem])
    return given


def _recipient(given: str) -> str:
    return checked_address(given, "filter.recipient").key if given else ""


def _tag(given: str) -> str:
    problems = [*one_tag_problems("filter.tag", given)] if given else []
    if problems:
        raise InvalidArgument(problems)
    return given


def _metadata(asked: wire.DeliveryFilter) -> Pairs:
    pairs = tuple(sorted(asked.metadata.items()))
    problems = [*pair_problems("filter.metadata", pairs, PAIRS_MOST)]
    if problems:
        raise InvalidArgument(problems)
    return pairs
