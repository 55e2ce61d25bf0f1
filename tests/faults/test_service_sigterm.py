"""SIGTERM: health first, what was begun ends, what waits stays, exit status 0."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from postroom import Client, Completion, PostroomError, RetryPolicy, Status
from postroom_server.sandbox.relay import SandboxRelay

from tests.support.process import PAUSE, daemon, free_port
from tests.support.service import plain, settings
from tests.support.silence import silent_relay

# It starts processes, which a loaded machine does slowly.
pytestmark = pytest.mark.timeout(180)

MAIL = {"from_": "me@example.com", "to": "ada@example.com", "subject": "x", "text": "x"}
AN_HOUR = RetryPolicy(min_delay=timedelta(hours=1))
"""The delay is drawn from none up to so much."""
AT_ONCE = 20.0
"""Seconds, for a busy machine: the grace of those that are waited for is 30."""
PATIENCE = 30.0


def test_an_idle_service_ends_at_once_and_in_order(tmp_path):
    with SandboxRelay() as relay:
        config = settings(tmp_path, {"main": plain(relay.port)})
        with daemon(config, free_port()) as service:
            assert service.stop(AT_ONCE) == 0


def test_what_is_queued_at_sigterm_goes_out_after_the_next_start(tmp_path):
    port = free_port()
    with SandboxRelay() as relay:
        relay.fail_next("MAIL", "451 4.3.0 later")
        config = settings(tmp_path, {"main": plain(relay.port)})
        with daemon(config, port) as service, Client(service.target) as client:
            kept = {"completion": Completion.ACCEPTED, "retry": AN_HOUR}
            name = client.send(**MAIL, **kept).delivery
            for _ in range(500):
                if client.get(name).result.status is Status.RETRY:
                    break
                PAUSE.wait(0.02)
            assert service.stop() == 0
        with daemon(config, port) as service, Client(service.target) as client:
            result = gone_on_with(client, name)

    assert result.status is Status.SUCCESS
    assert len(relay.messages) == 1


def test_what_hangs_is_broken_off_when_the_grace_is_over_and_stays_queued(tmp_path):
    port = free_port()
    with silent_relay() as silent, SandboxRelay() as relay:
        keys = plain(silent.port)
        config = settings(
            tmp_path, {"main": keys}, extra="server = { drain_grace = 1.0 }"
        )
        with daemon(config, port) as service, Client(service.target) as client:
            name = client.send(**MAIL, completion=Completion.ACCEPTED).delivery
            assert silent.connected.wait(PATIENCE)
            assert service.stop(PATIENCE) == 0
        settings(tmp_path, {"main": plain(relay.port)})
        with daemon(config, port) as service, Client(service.target) as client:
            left = client.get(name).result
            done = gone_on_with(client, name)

    assert left.status in {Status.RETRY, Status.QUEUED, Status.SENDING, Status.SUCCESS}
    assert done.status is Status.SUCCESS


def test_a_second_signal_ends_it_at_once(tmp_path):
    with silent_relay() as silent:
        config = settings(tmp_path, {"main": plain(silent.port)})
        with daemon(config, free_port()) as service, Client(service.target) as client:
            client.send(**MAIL, completion=Completion.ACCEPTED)
            assert silent.connected.wait(PATIENCE)
            service.process.terminate()
            _until_draining(client)
            assert service.stop(AT_ONCE) == 0


def gone_on_with(client, name):
    """The result of a delivery that is retried, unless its turn came already."""
    left = client.get(name).result
    return left if left.is_final else client.retry(name)


def _until_draining(client):
    done = threading.Event()
    for _ in range(500):
        try:
            if client.health(timeout=PATIENCE).name != "SERVING":
                return
        except PostroomError:
            return
        done.wait(0.02)
    raise AssertionError("it does not drain")
