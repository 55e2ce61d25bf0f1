from __future__ import annotations

import pytest
from postroom.v1.stats_pb2 import GetStatsRequest, GetStatsResponse
from postroom_server.rpc.access import Access
from postroom_server.rpc.adapter import Serving, UnaryAdapter
from postroom_server.rpc.context import ARRIVED_AT
from postroom_server.rpc.credentials import Credentials
from postroom_server.rpc.methods import Method
from postroom_server.rpc.pools import CountingPool, PoolKind, PoolPlan
from postroom_server.rpc.streams import OpenStreams
from postroom_server.rpc.watchdog import Lane, Watchdog

from tests.support.clocks import FakeClock


class Aborted(Exception):
    pass


class FakeGrpcContext:
    def __init__(self, remaining):
        self.remaining = remaining
        self.code = None
        self.trailers = ()

    def invocation_metadata(self):
        return ()

    def add_callback(self, _callback):
        return True

    def auth_context(self):
        return {}

    def time_remaining(self):
        return self.remaining

    def set_trailing_metadata(self, trailers):
        self.trailers = trailers

    def abort(self, code, _text):
        self.code = code
        raise Aborted


class Adapted:
    """GetStats on a fake clock, with the limit that its behaviour saw."""

    def __init__(self, pool):
        self.clock = FakeClock()
        self.limits = []
        self.records = []
        serving = Serving(
            self.clock,
            Credentials((), self.clock),
            Watchdog(self.clock),
            (self.records.append,),
            OpenStreams(),
        )
        method = Method(
            "/postroom.v1.DeliveryService/GetStats",
            PoolKind.CONTROL,
            30.0,
            GetStatsRequest,
            GetStatsResponse,
            self._behave,
            Access.CALLERS,
        )
        self._adapter = UnaryAdapter(method, pool, Lane(20, 20, lambda: False), serving)

    def _behave(self, _request, call):
        self.limits.append(call.limit - self.clock.monotonic())
        return GetStatsResponse()

    def call(self, context, waited):
        token = ARRIVED_AT.set(self.clock.monotonic() - waited)
        try:
            return self._adapter(iter([b""]), context)
        finally:
            ARRIVED_AT.reset(token)


@pytest.fixture
def adapted():
    pool = CountingPool(PoolKind.CONTROL, PoolPlan(1, 1))
    yield Adapted(pool)
    pool.shutdown()


def test_a_call_that_spent_its_time_in_the_queue_is_not_begun(adapted):
    context = FakeGrpcContext(remaining=0.2)
    with pytest.raises(Aborted):
        adapted.call(context, waited=5.0)

    assert context.code.name == "DEADLINE_EXCEEDED"
    assert adapted.records[0].reason == "DEADLINE_PASSED"
    assert adapted.limits == []


def test_time_in_the_queue_is_part_of_the_time_given(adapted):
    adapted.call(FakeGrpcContext(remaining=0.3), waited=0.1)

    assert adapted.limits == [pytest.approx(0.2)]


def test_the_record_tells_how_long_the_call_waited(adapted):
    adapted.call(FakeGrpcContext(remaining=9.2e18), waited=2.0)
    record = adapted.records[0]

    assert (record.code, record.queue_seconds, record.seconds) == ("OK", 2.0, 2.0)
    assert adapted.limits == [pytest.approx(30.0)]
