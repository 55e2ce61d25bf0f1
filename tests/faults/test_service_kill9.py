"""`kill -9` under load: what was accepted goes on, and nothing is sent twice unsaid.

The oracle is what the relay, which is not killed, has received.
"""

from __future__ import annotations

import os
import random
import threading
from collections import Counter

import pytest
from postroom import AttemptOutcome, Client, Completion, PostroomError, Status
from postroom_server.sandbox.relay import SandboxRelay

from tests.support.process import PAUSE, daemon, free_port
from tests.support.service import plain, settings

FULL = os.environ.get("POSTROOM_GATES") == "full"


class Load:
    """Threads that send until they are stopped, and remember what was accepted."""

    def __init__(self, target: str, completion: Completion) -> None:
        self.accepted: dict[str, str] = {}
        self._completion = completion
        self._client = Client(target, max_attempts=1)
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._run, name=f"load-{n}") for n in range(4)
        ]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._client.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            marker = f"m{random.getrandbits(64):016x}"
            try:
                result = self._client.send(
                    from_="me@example.com",
                    to="ada@example.com",
                    subject=marker,
                    text="x",
                    completion=self._completion,
                    timeout=5,
                )
            except PostroomError:
                PAUSE.wait(0.01)
                continue
            with self._lock:
                self.accepted[marker] = result.delivery


def received(relay: SandboxRelay) -> Counter[str]:
    """How often each marker reached the relay."""
    lines = (line for m in relay.messages for line in m.data.split(b"\r\n"))
    return Counter(x[9:].decode() for x in lines if x.startswith(b"Subject: "))


def finished(client: Client, names: dict[str, str]) -> dict[str, object]:
    """The results by marker, when nothing is left that is due."""
    waiting = dict(names)
    results = {}
    for _ in range(1200):
        for marker, name in list(waiting.items()):
            result = client.get(name).result
            doubt = any(a.outcome is AttemptOutcome.UNCERTAIN for a in result.attempts)
            if result.is_final or (result.status is Status.RETRY and doubt):
                results[marker] = result
                del waiting[marker]
        if not waiting:
            return results
        PAUSE.wait(0.05)
    raise AssertionError(f"never finished: {waiting}")


@pytest.mark.gate
def test_nothing_accepted_is_lost_and_every_double_was_uncertain(tmp_path):
    cycles, port, accepted = (100 if FULL else 6), free_port(), {}
    with SandboxRelay() as relay:
        config = settings(tmp_path, {"main": plain(relay.port, pool_size=4)})
        for _ in range(cycles):
            with (
                daemon(config, port) as victim,
                Load(victim.target, Completion.ACCEPTED) as load,
            ):
                PAUSE.wait(random.uniform(0.05, 0.5))
                victim.kill()
            accepted |= load.accepted
        with daemon(config, port) as last, Client(last.target) as client:
            results = finished(client, accepted)
        got = received(relay)

    assert len(accepted) > cycles
    for marker, result in results.items():
        doubt = any(a.outcome is AttemptOutcome.UNCERTAIN for a in result.attempts)
        assert got[marker] or doubt, f"{marker} was lost: {result}"
        assert got[marker] <= 1 or doubt, f"{marker} came twice, unsaid: {result}"
        if result.status is Status.SUCCESS:
            assert got[marker] >= 1


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
            _until_stored(client, "r-1")
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
    assert sum(received(relay).values()) == 1


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
        "timeout": 60,
    }


def _until_stored(client, request_id):
    for _ in range(600):
        try:
            return client.get(request_id=request_id)
        except PostroomError:
            PAUSE.wait(0.02)
    raise AssertionError("never stored")
