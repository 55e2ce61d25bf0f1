from __future__ import annotations

import time

import grpc
import pytest
from google.rpc import error_details_pb2
from postroom.v1 import attempt_pb2 as attempt_pb
from postroom.v1 import delivery_pb2 as delivery_pb
from postroom.v1 import send_pb2 as send_pb
from postroom_server.domain.pacing import Circuit

from tests.support.callers import a_caller
from tests.support.service import CALL, a_request, details, plain, reason, running
from tests.support.tenants import As, configured

CIRCUIT = Circuit()

QUEUED = delivery_pb.DELIVERY_STATUS_QUEUED
SUCCESS = delivery_pb.DELIVERY_STATUS_SUCCESS
TEMP_FAILED = delivery_pb.DELIVERY_STATUS_TEMP_FAILED
OR_QUEUED = send_pb.COMPLETION_RELAYED_OR_QUEUED
SLOW = {"max_per_second": 0.01, "burst": 1}
TENANT = "[tenants.default]\nmax_per_second = 0.01\nburst = 1\n"
NO_RETRY = send_pb.RetryPolicy(disabled=True)


def retry_delay(error: grpc.RpcError) -> float:
    info = error_details_pb2.RetryInfo()
    (found,) = (d for d in details(error).details if d.Unpack(info))
    del found
    return info.retry_delay.ToTimedelta().total_seconds()


def refused(service, **fields):
    with pytest.raises(grpc.RpcError) as error:
        service.send(**fields)
    return error.value


@pytest.fixture
def slow(tmp_path, relay):
    with running(tmp_path, {"main": plain(relay.port, **SLOW)}, relay) as service:
        yield service


@pytest.fixture
def slow_tenant(tmp_path, relay):
    relays = {"main": plain(relay.port)}
    with running(tmp_path, relays, relay, TENANT) as service:
        yield service


def test_a_call_waits_for_its_turn_where_that_fits(tmp_path, relay):
    keys = plain(relay.port, max_per_second=4, burst=1)
    with running(tmp_path, {"main": keys}, relay) as service:
        began = time.monotonic()
        statuses = [service.send().status for _ in range(4)]

        assert statuses == [SUCCESS] * 4
        assert time.monotonic() - began >= 0.7


def test_a_relay_that_has_had_its_share_is_overloaded_and_says_until_when(slow):
    assert slow.send().status == SUCCESS

    error = refused(slow)

    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert reason(error) == "OVERLOADED"
    assert 60 < retry_delay(error) <= 100
    assert len(slow.relay.messages) == 1


def test_mail_that_may_be_queued_is_queued_at_once_when_its_turn_is_far(slow):
    slow.send()
    began = time.monotonic()

    result = slow.send(completion=OR_QUEUED)

    assert result.status == QUEUED
    assert time.monotonic() - began < CALL / 2


def test_a_tenant_beyond_its_own_limit_is_told_so(slow_tenant):
    assert slow_tenant.send().status == SUCCESS

    error = refused(slow_tenant)

    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert reason(error) == "RATE_LIMITED"
    assert 60 < retry_delay(error) <= 100


def test_a_tenant_beyond_its_own_limit_may_queue(slow_tenant):
    slow_tenant.send()

    assert slow_tenant.send(completion=OR_QUEUED).status == QUEUED


@pytest.fixture
def one_dead(tmp_path, relay):
    dead = plain(1, timeouts={"connect": 5}, circuit={"first_pause": 120})
    relays = {"main": plain(relay.port), "dead": dead}
    with running(tmp_path, relays, relay) as service:
        for _ in range(CIRCUIT.failures):
            service.send(relay="relays/dead", retry=NO_RETRY)
        yield service


def test_a_relay_that_failed_again_and_again_is_not_asked(one_dead):
    result = one_dead.send(relay="relays/dead", timeout=CALL)

    assert result.status == TEMP_FAILED
    (recipient,) = result.recipients
    assert recipient.reason == attempt_pb.FAILURE_REASON_RELAY_UNAVAILABLE


def test_mail_for_such_a_relay_is_queued_where_it_may_be(one_dead):
    result = one_dead.send(relay="relays/dead", completion=OR_QUEUED)

    assert result.status == QUEUED


def test_such_a_relay_costs_the_others_nothing(one_dead):
    for _ in range(20):
        one_dead.send(relay="relays/dead", completion=send_pb.COMPLETION_ACCEPTED)

    assert one_dead.send().status == SUCCESS


def test_mail_that_waits_for_its_tenants_rate_costs_other_tenants_nothing(
    tmp_path, relay, monkeypatch
):
    slow = "\n[tenants.acme]\nmax_per_second = 0.01\nburst = 1\n"
    callers = [a_caller(f"{one}-web", tenant=one) for one in ("acme", "bravo")]
    extra = configured(*callers) + slow
    with running(tmp_path, {"main": plain(relay.port)}, relay, extra) as service:
        acme, bravo = (As(service.stub, caller) for caller in callers)
        for _ in range(2):
            acme.SendMessage(a_request(completion=send_pb.COMPLETION_ACCEPTED))
        outbox, claimed = service.app.engine.outbox, set()
        really = outbox.claim

        def claim(relay, now, wanted):
            claimed.update(lane.tenant for lane in wanted)
            return really(relay, now, wanted)

        monkeypatch.setattr(outbox, "claim", claim)
        answer = bravo.SendMessage(a_request())

    assert answer.result.status == SUCCESS
    assert "bravo" not in claimed
