"""A service on a store that was restored takes mail, and says that it holds it."""

from __future__ import annotations

import grpc
import pytest
from postroom import Client, Health
from postroom.v1 import delivery_pb2, event_pb2, relay_pb2, send_pb2, stats_pb2
from postroom_server.delivery.resuming import Assume, Question, resume
from postroom_server.domain.clock import Instant, SystemClock
from postroom_server.outbox.backup import back_up
from postroom_server.outbox.sqlite import SqliteOutbox
from structlog.testing import capture_logs

from tests.support.builders import DAY
from tests.support.outboxes import accept
from tests.support.service import CALL, plain, reason, running

CLOCK = SystemClock()
ACCEPTED = send_pb2.COMPLETION_ACCEPTED


@pytest.fixture
def relays(relay):
    return {"main": plain(relay.port)}


@pytest.fixture
def cursor(tmp_path, relay):
    """The cursor of a reader of the first store, where one mail waits."""
    with running(tmp_path, {"main": plain(1)}, relay) as service:
        with Client(service.app.server.address) as client:
            client.relays.pause("main")
        service.send(completion=ACCEPTED)
        asked = event_pb2.PullEventsRequest()
        return service.stub.PullEvents(asked, timeout=CALL).cursor


@pytest.fixture
def restored(tmp_path, cursor):
    """The folder of a service that was restored from a copy."""
    folder = tmp_path / "restored"
    folder.mkdir()
    back_up(tmp_path / "postroom.db", folder / "postroom.db", CLOCK.now())
    return folder


@pytest.fixture
def service(restored, relays, relay):
    with running(restored, relays, relay) as service:
        yield service


def stats(service):
    asked = stats_pb2.GetStatsRequest(include_relays=True)
    return service.stub.GetStats(asked, timeout=CALL)


def test_mail_is_taken_and_none_is_delivered(service):
    service.app.engine._dispatcher._look_everywhere()
    result = service.send(completion=ACCEPTED)

    assert result.status == delivery_pb2.DELIVERY_STATUS_QUEUED
    assert stats(service).queue.due == 2
    assert service.relay.messages == ()


def test_who_wants_to_wait_is_told_at_once(service):
    with pytest.raises(grpc.RpcError) as refused:
        service.send(completion=send_pb2.COMPLETION_RELAYED)

    assert reason(refused.value) == "RELAY_PAUSED"
    assert refused.value.details() == "the store is on hold"


def test_numbers_and_health_tell_it(service):
    found = stats(service)
    (relay,) = found.relays
    with Client(service.app.server.address) as client:
        assert client.health("relays/main") is Health.NOT_SERVING
        assert client.health() is Health.SERVING
        assert client.stats().hold.reason == found.hold.reason

    assert found.hold.reason.startswith("restored from the backup of ")
    assert relay.condition.state == relay_pb2.RELAY_STATE_PAUSED
    assert found.hold.reason in relay.condition.pause.reason


def test_a_resumed_relay_delivers_nothing_either(service):
    with Client(service.app.server.address) as client:
        client.relays.resume("main")

    assert stats(service).relays[0].condition.state == relay_pb2.RELAY_STATE_PAUSED


def test_the_log_tells_it_at_the_start_and_again(restored, relays, relay):
    with capture_logs() as logs, running(restored, relays, relay) as service:
        service.app.engine._holding.remind()
    told = [line for line in logs if line["event"] == "store.on_hold"]

    assert len(told) >= 2
    assert "postroomd store resume" in told[0]["advice"]


def test_a_cursor_of_before_is_not_taken(service, cursor):
    asked = event_pb2.PullEventsRequest(start_cursor=cursor)
    with pytest.raises(grpc.RpcError) as refused:
        service.stub.PullEvents(asked, timeout=CALL)

    assert reason(refused.value) == "INVALID_TOKEN"


def test_after_the_hold_all_of_it_goes(restored, relays, relay):
    with running(restored, relays, relay) as service:
        service.send(completion=ACCEPTED)
    outbox = SqliteOutbox.open(restored / "postroom.db", clock=CLOCK)
    began = outbox.hold.now().since
    resume(outbox, Question(began, began), Assume.QUEUED, CLOCK.now())
    outbox.pauses.end("main")
    outbox.close()
    with running(restored, relays, relay):
        assert len(relay.wait_for(2, CALL)) == 2


def test_what_was_under_way_is_left_for_the_operator(tmp_path, relays, relay):
    now = CLOCK.now()
    outbox = SqliteOutbox.open(tmp_path / "first.db", clock=CLOCK)
    times = {"accepted_at": now, "due_at": now, "expire_at": Instant(now + DAY)}
    mail = accept(outbox, leased=True, **times)
    outbox.close()
    folder = tmp_path / "restored"
    folder.mkdir()
    back_up(tmp_path / "first.db", folder / "postroom.db", CLOCK.now())
    with running(folder, relays, relay) as service:
        found = service.get(f"deliveries/{mail.id}").result

    assert found.status == delivery_pb2.DELIVERY_STATUS_SENDING
