from __future__ import annotations

import asyncio
import threading

import pytest
from postroom import AsyncClient, Client
from postroom.errors import FailedPrecondition, InvalidRequest, NotFound
from postroom.words import Health, RelayState, SessionState, Status
from postroom_server.delivery.findings import Finding, Found
from postroom_server.domain.attempt import FailureReason
from postroom_server.domain.pacing import Circuit
from postroom_server.sandbox.relay import SandboxRelay

from tests.support.service import CALL, plain, running

CIRCUIT = Circuit()

GONE = Finding(Found.TEMPORARY, FailureReason.NETWORK)
MAIL = {
    "to": "ada@example.com",
    "from_": "me@example.com",
    "subject": "Hello",
    "text": "It works.",
}


@pytest.fixture
def client(service):
    with Client(service.app.server.address, timeout=CALL) as client:
        yield client


def settled(client, delivery):
    for _ in range(600):
        found = client.get(delivery).result
        if found.is_final:
            return found.status
        threading.Event().wait(0.02)
    raise AssertionError(found)


def test_relays_are_listed_with_how_they_are(client):
    (relay,) = client.relays.list()

    assert relay.name == "relays/main"
    assert relay.host == "127.0.0.1"
    assert relay.condition.state is RelayState.ACTIVE
    assert relay.condition.pace == 1
    assert relay.limits.max_sessions == 10
    assert client.relays.get("main") == relay


def test_mail_for_a_paused_relay_waits_and_goes_out_when_it_is_resumed(client):
    client.relays.pause("main", "repairs")
    queued = client.send(**MAIL, completion="accepted")
    at_once = client.send(**MAIL, completion="relayed-or-queued")

    assert at_once.status is Status.QUEUED
    assert client.get(queued).result.status is Status.QUEUED
    client.relays.resume("main")
    assert settled(client, queued) is Status.SUCCESS
    assert settled(client, at_once) is Status.SUCCESS


def test_a_relayed_send_to_a_paused_relay_is_refused(client):
    client.relays.pause("main")

    with pytest.raises(FailedPrecondition) as error:
        client.send(**MAIL)

    assert error.value.reason == "RELAY_PAUSED"


def test_a_pause_tells_who_when_and_why(client):
    condition = client.relays.pause("main", "repairs").condition

    assert condition.state is RelayState.PAUSED
    assert condition.pause.reason == "repairs"
    assert condition.pause.paused_at is not None
    assert client.health("relays/main") is Health.NOT_SERVING


def test_pausing_and_resuming_twice_is_no_error(client):
    first = client.relays.pause("main", "repairs")
    second = client.relays.pause("main", "repairs")
    client.relays.resume("main")
    resumed = client.relays.resume("main")

    assert second.condition.pause == first.condition.pause
    assert resumed.condition.state is RelayState.ACTIVE
    assert client.health("relays/main") is Health.SERVING


def test_a_pause_survives_a_restart(tmp_path, relay):
    relays = {"main": plain(relay.port)}
    with (
        running(tmp_path, relays, relay) as service,
        Client(service.app.server.address) as client,
    ):
        before = client.relays.pause("main", "repairs").condition.pause
        queued = client.send(**MAIL, completion="accepted").delivery
    with (
        running(tmp_path, relays, relay) as service,
        Client(service.app.server.address) as client,
    ):
        after = client.relays.get("main").condition.pause
        still = client.get(queued).result.status
        client.relays.resume("main")

        assert after == before
        assert still is Status.QUEUED
        assert settled(client, queued) is Status.SUCCESS


def test_a_pause_that_was_ended_stays_ended(tmp_path, relay):
    relays = {"main": plain(relay.port)}
    with (
        running(tmp_path, relays, relay) as service,
        Client(service.app.server.address) as client,
    ):
        client.relays.pause("main")
        client.relays.resume("main")
    with (
        running(tmp_path, relays, relay) as service,
        Client(service.app.server.address) as client,
    ):
        assert client.relays.get("main").condition.state is RelayState.ACTIVE


def test_draining_closes_the_idle_sessions(client):
    client.send(**MAIL)
    before = client.relays.sessions()
    drained = client.relays.drain("main", "repairs")

    assert [one.state for one in before] == [SessionState.IDLE]
    assert before[0].transactions == 1
    assert drained.attempts_left == 0
    assert drained.relay.condition.state is RelayState.PAUSED
    assert client.relays.sessions("main") == ()


def test_draining_tells_how_many_attempts_are_left(service, client):
    app = service.app
    assert app.engine._dispatcher.reserve("main", "default")

    assert client.relays.drain("main", wait=0.1).attempts_left == 1

    app.engine._dispatcher.give_back("main", {"default": 1})
    assert client.relays.drain("main", wait=0.1).attempts_left == 0


def test_resuming_tries_a_relay_that_was_left_alone_at_once(service, client):
    watch = service.app.engine.relays.by_id["main"].watch
    for _ in range(CIRCUIT.failures):
        watch.failed(GONE)
    queued = client.send(**MAIL, completion="accepted")
    left_alone = client.relays.get("main").condition

    client.relays.resume("main")

    assert left_alone.state is RelayState.LEFT_ALONE
    assert left_alone.failures == CIRCUIT.failures
    assert settled(client, queued) is Status.SUCCESS
    assert client.relays.get("main").condition.state is RelayState.ACTIVE


def test_one_paused_relay_leaves_the_others_alone(tmp_path, relay):
    with (
        SandboxRelay() as second,
        running(
            tmp_path, {"main": plain(relay.port), "other": plain(second.port)}, relay
        ) as service,
        Client(service.app.server.address) as client,
    ):
        client.relays.pause("main")
        for _ in range(50):
            client.send(**MAIL, completion="accepted")

        assert client.send(**MAIL, relay="other").status is Status.SUCCESS


@pytest.mark.parametrize("method", ["get", "pause", "resume", "drain"])
@pytest.mark.parametrize(
    ("name", "kind"),
    [("nowhere", NotFound), ("", InvalidRequest), ("A/b", InvalidRequest)],
)
def test_what_is_no_relay_is_refused(client, method, name, kind):
    with pytest.raises(kind):
        getattr(client.relays, method)(name)


def test_a_reason_that_is_too_long_changes_nothing(client):
    with pytest.raises(InvalidRequest):
        client.relays.pause("main", "x" * 513)

    assert client.relays.get("main").condition.state is RelayState.ACTIVE


def test_the_client_for_asyncio_has_the_same(service):
    async def look():
        async with AsyncClient(service.app.server.address) as client:
            await client.relays.pause("main", "repairs")
            paused = await client.relays.get("main")
            await client.relays.resume("main")
            await client.relays.drain("main", wait=0)
            return paused, await client.relays.list(), await client.relays.sessions()

    paused, (drained,), sessions = asyncio.run(look())

    assert paused.condition.state is RelayState.PAUSED
    assert drained.condition.state is RelayState.PAUSED
    assert sessions == ()


@pytest.mark.parametrize("reply", ["421 4.3.2 leaving", "454 4.7.0 too much"])
def test_a_relay_that_asks_for_less_is_slowed_down(service, client, reply):
    service.relay.fail_next("MAIL", reply)
    client.send(**MAIL, retry=False)

    condition = client.relays.get("main").condition

    assert condition.state is RelayState.SLOWED
    assert condition.pace == 0.5
    assert client.send(**MAIL).status is Status.SUCCESS
