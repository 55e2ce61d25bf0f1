"""What the methods that tell events do: read cursors, follow, make cursors.

As in `delivery`, no rule lives here.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping

from postroom.v1 import event_pb2 as wire

from postroom_server.delivery.engine import DeliveryEngine
from postroom_server.delivery.following import Asked, Start
from postroom_server.delivery.watching import Batch
from postroom_server.domain.clock import Clock
from postroom_server.domain.errors import SlowConsumer
from postroom_server.rpc.context import CallContext
from postroom_server.rpc.convert import events as convert
from postroom_server.rpc.convert.cursors import Cursors
from postroom_server.rpc.methods import Behaviour

JITTER = 0.1
"""By what share a stream is shorter than it may be at most, so that those which were
opened together are not opened anew together."""

_STARTS = {
    wire.START_POSITION_UNSPECIFIED: Start.NOW,
    wire.START_POSITION_NOW: Start.NOW,
    wire.START_POSITION_BEGINNING: Start.BEGINNING,
}


class EventBehaviours:
    """Answers the methods that tell events, from *engine*; thread-safe."""

    def __init__(self, engine: DeliveryEngine, clock: Clock) -> None:
        self._following = engine.following
        self._clock = clock
        self._max_watch = engine.limits.max_watch
        retention = engine.limits.events_kept
        self._cursors = Cursors(engine.outbox.epoch, retention, clock)

    def behaviours(self) -> Mapping[str, Behaviour]:
        """What answers each method, by its bare name."""
        return {
            "WatchDeliveries": self.watch_deliveries,
            "PullEvents": self.pull_events,
        }

    def watch_deliveries(
        self, request: wire.WatchDeliveriesRequest, call: CallContext
    ) -> Iterator[wire.WatchDeliveriesResponse]:
        """Tell what happens, as it happens."""
        asked = self._asked(request, call)
        age = self._max_watch * (1 - JITTER * random.random())  # noqa: S311  spreads load
        until = min(call.limit, self._clock.monotonic() + age)
        cursor = ""
        try:
            for batch in self._following.stream(asked, call, until):
                for part, events in convert.answers(batch):
                    cursor = self._cursor(part, call)
                    yield wire.WatchDeliveriesResponse(cursor=cursor, events=events)
        except SlowConsumer as error:
            raise SlowConsumer(cursor) from error

    def pull_events(
        self, request: wire.PullEventsRequest, call: CallContext
    ) -> wire.PullEventsResponse:
        """Tell what happened since a cursor."""
        most, wait = convert.most_events(request), convert.wait(request)
        asked = self._asked(request, call)
        until = min(call.limit, self._clock.monotonic() + wait)
        batch = self._following.pull(asked, call, most, until)
        part, events = next(convert.answers(batch))
        return wire.PullEventsResponse(cursor=self._cursor(part, call), events=events)

    def _asked(self, request: convert.Reading, call: CallContext) -> Asked:
        tenant = call.principal.tenant
        interest = convert.interest(request.filter)
        start = _STARTS[request.start_position]
        if request.WhichOneof("start") == "start_cursor":
            position = self._cursors.read(request.start_cursor, tenant)
            return Asked(tenant=tenant, interest=interest, start=position)
        return Asked(tenant=tenant, interest=interest, start=start)

    def _cursor(self, batch: Batch, call: CallContext) -> str:
        return self._cursors.make(batch.position, call.principal.tenant)
