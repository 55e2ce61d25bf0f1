"""`kill -9` while a caller waits; under load it is one of the gates."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import timedelta

import pytest
from postroom import Client, PostroomError, RetryPolicy, Status
from postroom_server.sandbox.relay import SandboxRelay

from tests.support.process import PAUSE, daemon, free_port
from tests.support.service import plain, settings

# It starts processes, which a loaded machine does slowly.
pytestmark = pytest.mark.timeout(180)


def test_a_relayed_send_without_its_caller_is_not_sent_later(tmp_path):
    port = free_port()
    with SandboxRelay() as relay:
        relay.fail_next("MAIL", "451 4.3.0 later", times=1000)
        config = settings(tmp_path, {"main": plain(relay.port)})
        with (
            daemon(config, port) as victim,
            Client(victim.target, max_attempts=1) as client,
        ):
            sender = threading.Thread(
                target=_send_and_fail, args=(client,), name="sender"
            )
            sender.start()
            _until_it_waits(client, "r-1")
            victim.kill()
            sender.join()
        relay.clear()
        with daemon(config, port) as second, Client(second.target) as client:
            left = client.get(request_id="r-1").result
            resumed = client.send(**_mail("r-1"))

    assert left.status is Status.TEMP_FAILED
    assert left.is_retryable
    assert resumed.status is Status.SUCCESS
    assert resumed.delivery == left.delivery
    assert len(relay.messages) == 1


def _send_and_fail(client):
    with pytest.raises(PostroomError):
        client.send(**_mail("r-1"))


def _mail(request_id):
    return {
        "from_": "me@example.com",
        "to": "ada@example.com",
        "subject": "x",
        "text": "x",
        "request_id": request_id,
        # Long enough between two attempts to be killed there.
        "retry": RetryPolicy(quick_delays=[timedelta(seconds=30)]),
        "timeout": 60,
    }


def _until_it_waits(client, request_id):
    """Between two attempts: in one of them the relay may have had it."""
    for _ in range(600):
        with suppress(PostroomError):
            if client.get(request_id=request_id).result.status is Status.RETRY:
                return
        PAUSE.wait(0.02)
    raise AssertionError("never waited for a second attempt")
