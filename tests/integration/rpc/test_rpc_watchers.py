"""Those who watch have threads of their own, and take none from the others."""

from __future__ import annotations

import pytest
from postroom.v1.event_pb2 import (
    PullEventsRequest,
    WatchDeliveriesRequest,
    WatchDeliveriesResponse,
)
from postroom.v1.send_pb2 import SendMessageRequest
from postroom_server.rpc.pools import PoolKind, PoolPlan

from tests.support.clocks import FakeClock

FEW = {PoolKind.EVENTS: PoolPlan(2, 0)}


@pytest.fixture
def watches(serve, release):
    """A server for two watchers, with both of them there; the stub."""

    def watch(_request, _call):
        yield WatchDeliveriesResponse(cursor="c")
        assert release.wait(20)

    stub = serve({"WatchDeliveries": watch}, FEW).stub()
    streams = [stub.WatchDeliveries(WatchDeliveriesRequest()) for _ in range(2)]
    for stream in streams:
        next(stream)
    yield stub
    # Until here they are held: a stream that nobody has is cancelled.
    release.set()
    for stream in streams:
        stream.cancel()


@pytest.mark.parametrize(
    "ask",
    [
        lambda stub: (
            lambda **o: next(stub.WatchDeliveries(WatchDeliveriesRequest(), **o))
        ),
        lambda stub: lambda **o: stub.PullEvents(PullEventsRequest(), **o),
    ],
    ids=["watch", "pull"],
)
def test_one_more_is_turned_away_and_told_when_to_come_again(watches, refused, ask):
    error = refused(lambda _request, **options: ask(watches)(**options), None)

    assert error.info.reason == "OVERLOADED"
    assert error.retry_info.retry_delay.ToMilliseconds() > 0


def test_mail_is_taken_while_all_watchers_are_there(watches):
    assert watches.SendMessage(SendMessageRequest(), timeout=20) is not None


def test_a_stream_may_be_silent_for_as_long_as_it_likes(serve, monkeypatch):
    monkeypatch.setattr("postroom_server.rpc.pace.SLOWEST", 1e12)
    clock = FakeClock()

    def watch(_request, _call):
        for _ in range(3):
            yield WatchDeliveriesResponse(cursor="c")
            clock.advance(3600)
            running.server._watchdog.sweep()

    running = serve({"WatchDeliveries": watch}, clock=clock)
    answers = running.stub().WatchDeliveries(WatchDeliveriesRequest(), timeout=20)

    assert len(list(answers)) == 3
