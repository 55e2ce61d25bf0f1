"""grpc.health.v1 as probes, balancers and hostile watchers use it."""

from __future__ import annotations

import time

import grpc
import pytest
from postroom_server.rpc import wire
from postroom_server.rpc.health import NOT_SERVING, SERVICE_UNKNOWN, SERVING
from postroom_server.rpc.pools import PLANS, PoolKind

from tests.support.raw_http2 import RawConnection, frame

SERVICE = "postroom.v1.DeliveryService"


def check(channel, service=""):
    call = channel.unary_unary(
        f"/{wire.HEALTH}/Check",
        wire.HealthCheckRequest.SerializeToString,
        wire.HealthCheckResponse.FromString,
    )
    return call(wire.HealthCheckRequest(service=service), timeout=20).status


def watch(channel, service=""):
    call = channel.unary_stream(
        f"/{wire.HEALTH}/Watch",
        wire.HealthCheckRequest.SerializeToString,
        wire.HealthCheckResponse.FromString,
    )
    return call(wire.HealthCheckRequest(service=service), timeout=30)


def test_the_process_serves_before_the_service_does(serve):
    running = serve(ready=False)
    channel = running.channel()

    assert check(channel) == SERVING
    assert check(channel, SERVICE) == NOT_SERVING


def test_readiness_shows_in_health(serve):
    running = serve()
    channel = running.channel()
    ready = check(channel, SERVICE)
    running.server.set_ready(False)

    assert (ready, check(channel, SERVICE)) == (SERVING, NOT_SERVING)


def test_a_relay_has_a_health_of_its_own(serve):
    running = serve()
    running.health.set("relays/main", False)

    assert check(running.channel(), "relays/main") == NOT_SERVING


def test_an_unknown_service_is_not_found(serve):
    with pytest.raises(grpc.RpcError) as caught:
        check(serve().channel(), "relays/none")

    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_list_tells_all(serve):
    running = serve()
    running.health.set("relays/main", False)
    call = running.channel().unary_unary(
        f"/{wire.HEALTH}/List",
        wire.HealthListRequest.SerializeToString,
        wire.HealthListResponse.FromString,
    )
    statuses = call(wire.HealthListRequest(), timeout=20).statuses

    assert {name: one.status for name, one in statuses.items()} == {
        "": SERVING,
        SERVICE: SERVING,
        "relays/main": NOT_SERVING,
    }


def test_a_watcher_is_told_each_change(serve):
    running = serve()
    watcher = watch(running.channel(), "relays/new")
    told = [next(watcher).status]
    for serving in (True, False):
        running.health.set("relays/new", serving)
        told.append(next(watcher).status)
    running.health.remove("relays/new")
    told.append(next(watcher).status)
    watcher.cancel()

    assert told == [SERVICE_UNKNOWN, SERVING, NOT_SERVING, SERVICE_UNKNOWN]


def test_a_name_that_no_service_can_have_is_not_watched(serve):
    with pytest.raises(grpc.RpcError) as caught:
        next(watch(serve().channel(), "x" * 9_000_000))

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_watcher_that_leaves_gives_its_thread_back(serve):
    running = serve()
    watcher = watch(running.channel())
    next(watcher)
    watcher.cancel()

    assert running.records.until(1, "Watch")[0].code == "CANCELLED"


def test_watchers_that_never_read_block_neither_check_nor_set(serve):
    running = serve()
    channel = running.channel()
    check(channel)
    with RawConnection(running.server.address, window=0) as raw:
        for _ in range(PLANS[PoolKind.WATCH].threads):
            stream = raw.call(f"/{wire.HEALTH}/Watch")
            raw.send(stream, frame(b""), end=True)
        raw.settle()
        while running.server.pools()[PoolKind.WATCH].busy < 16:
            check(channel)
        began = time.monotonic()
        running.health.set("", False)
        status = check(channel)

        assert time.monotonic() - began < 10
        assert status == NOT_SERVING


def test_one_watcher_too_many_is_turned_away(serve):
    running = serve()
    watchers = [watch(running.channel()) for _ in range(16)]
    for watcher in watchers:
        next(watcher)
    with pytest.raises(grpc.RpcError) as caught:
        next(watch(running.channel()))
    for watcher in watchers:
        watcher.cancel()

    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_checks_without_a_body_do_not_hang_good_ones(serve):
    running = serve()
    with RawConnection(running.server.address) as raw:
        for _ in range(20):
            raw.call(f"/{wire.HEALTH}/Check")
        raw.settle()
        began = time.monotonic()

        assert check(running.channel()) == SERVING
        assert time.monotonic() - began < 15
