"""What administrators say of relays, over two services on one database."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import grpc
import pytest
from postroom.v1 import send_pb2 as send_pb
from postroom_server.app import App
from postroom_server.config import load_config
from postroom_server.delivery.relay_control import PauseOrder
from postroom_server.sandbox.relay import SandboxRelay
from postroom_server.sandbox.relay_faults import Delay

from tests.support.fleets import fleet_settings, stub_of, until
from tests.support.postgres import postgres
from tests.support.service import CALL, a_request, reason

ACCEPTED = send_pb.COMPLETION_ACCEPTED
ORDER = PauseOrder("relays/main", "repairs", "ops")


@pytest.fixture
def relay():
    with SandboxRelay() as started:
        yield started


@pytest.fixture
def fleet(tmp_path, relay):
    """Two services that share a store."""
    url = postgres().fresh()
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                App(load_config(fleet_settings(tmp_path / name, url, relay.port), {}))
            )
            for name in ("one", "other")
        ]


def control(app):
    return app.engine.relay_control


def pause_in(app):
    return app.engine.relays.find("relays/main").watch.pause


def send(app, **fields):
    with stub_of(app.server.address) as stub:
        return stub.SendMessage(a_request(**fields), timeout=CALL).result


def test_a_pause_that_one_process_was_told_of_holds_in_the_others(fleet):
    one, other = fleet
    control(one).pause(ORDER)

    until(lambda: pause_in(other) is not None)
    with pytest.raises(grpc.RpcError) as refused:
        send(other)

    assert reason(refused.value) == "RELAY_PAUSED"
    assert pause_in(other) == pause_in(one)


def test_any_process_may_be_told_to_go_on(fleet, relay):
    one, other = fleet
    control(one).pause(ORDER)
    until(lambda: pause_in(other) is not None)
    send(one, completion=ACCEPTED)

    control(other).resume("relays/main", "ops")

    until(lambda: pause_in(one) is None)
    assert relay.wait_for(1, CALL)


def test_a_pause_holds_though_nobody_heard_of_it(fleet):
    one, other = fleet
    other._outbox._node.news.on_change = None

    control(one).pause(ORDER)

    until(lambda: pause_in(other) is not None)


def test_a_drained_relay_has_nothing_under_way_in_any_process(fleet, relay):
    one, other = fleet
    held = Delay(600.0)
    relay.add(held)
    send(other, completion=ACCEPTED)
    until(lambda: control(one).elsewhere("main") or control(other).elsewhere("main"))
    first = one if control(one).elsewhere("main") else other

    _, left = control(first).drain(ORDER, first.engine.now() + 0.5)
    drained = threading.Event()

    def drain():
        if control(first).drain(ORDER, first.engine.now() + CALL)[1] == 0:
            drained.set()

    waiting = threading.Thread(target=drain, name="test-drain")
    waiting.start()
    relay.cut()
    relay.lift(held)
    waiting.join(CALL)

    assert left == 1
    assert drained.is_set()
