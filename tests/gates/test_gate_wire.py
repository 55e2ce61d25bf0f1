"""What mail costs on the wire in the steady state, counted at the relay.

The whole service sends many mails of 10 KB: round trips, writes, sessions and NOOPs.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from postroom.v1 import delivery_pb2 as delivery_pb
from postroom.v1 import send_stream_pb2 as wire
from postroom_server.sandbox.relay import SandboxRelay

from tests.gates.figures import figure
from tests.support.counting_relay import BOTH, CountingRelay, Counts
from tests.support.service import CALL, Service, a_request, plain, running

pytestmark = [pytest.mark.gate, pytest.mark.timeout(300)]

MAILS = figure(200, 1000)
CALLERS = 8
IN_FLIGHT = 8
SUCCESS = delivery_pb.DELIVERY_STATUS_SUCCESS
REQUEST = a_request(message={"text_body": "A line like many others.\n" * 400})
NEARLY = 1.02
"""A read of the relay may end within a flight of commands, and answer half of it."""


@dataclass
class Post:
    """The service under test, and what its mails cost."""

    service: Service
    relay: CountingRelay
    written: list[int] = field(default_factory=list)
    writes: int = 0

    def unary(self, mails: int) -> None:
        """Callers side by side, who wait for the relay's verdict."""

        def send(_number: int) -> int:
            return self.service.stub.SendMessage(REQUEST, timeout=CALL).result.status

        with ThreadPoolExecutor(CALLERS) as callers:
            assert set(callers.map(send, range(mails))) == {SUCCESS}

    def stream(self, mails: int) -> None:
        """One stream, with as many unanswered as it may."""
        items = (wire.SendMessagesRequest(request=REQUEST) for _ in range(mails))
        answers = self.service.stub.SendMessages(items, timeout=4 * CALL)
        outcomes = [a.outcome for a in answers if a.HasField("outcome")]
        assert len(outcomes) == mails
        assert {one.result.status for one in outcomes} == {SUCCESS}

    def cost(self, way: str) -> Counts:
        """What `MAILS` mails cost once the sessions are open."""
        getattr(self, way)(4 * CALLERS)
        before = self.relay.counts()
        self.written.clear()
        getattr(self, way)(MAILS)
        cost = self.relay.counts() - before
        # But for EHLO.
        self.writes = len(self.written) - cost.sessions
        return cost


def relay_keys(relay: CountingRelay, keys: dict[str, int]) -> dict[str, object]:
    """A session's age ends none of them."""
    return plain(relay.port, **{"pool_size": CALLERS, "max_messages": 100_000, **keys})


@pytest.fixture
def post(tmp_path, monkeypatch):
    """A service whose relay offers what it is told."""

    @contextmanager
    def made(*offer: str, **keys: int) -> Iterator[Post]:
        with (
            SandboxRelay() as unused,
            CountingRelay(offer) as relay,
            running(tmp_path, {"main": relay_keys(relay, keys)}, unused) as service,
        ):
            one = Post(service, relay)
            send = socket.socket.sendmsg

            def sendmsg(sock, *given):
                one.written.append(1)
                return send(sock, *given)

            monkeypatch.setattr(socket.socket, "sendmsg", sendmsg)
            yield one

    return made


def every_mail(cost: Counts) -> None:
    """What holds however a relay is spoken to."""
    assert cost.mails == MAILS
    assert cost.noops == 0
    assert cost.sessions <= CALLERS


@pytest.mark.parametrize("way", ["unary", "stream"])
def test_a_mail_is_one_round_trip_and_one_write(post, way):
    with post(*BOTH) as service:
        cost = service.cost(way)

    every_mail(cost)
    assert cost.resets == 0
    assert cost.turns <= MAILS * NEARLY
    assert service.writes <= MAILS * NEARLY


@pytest.mark.parametrize(
    ("offer", "turns"), [(("PIPELINING",), 2), (("CHUNKING",), 3), ((), 4)]
)
def test_a_smaller_dialogue_takes_more_of_them(post, offer, turns):
    with post(*offer) as service:
        cost = service.cost("unary")

    every_mail(cost)
    assert cost.turns <= MAILS * turns * NEARLY
    assert service.writes <= MAILS * turns * NEARLY


def test_mails_that_share_a_session_share_round_trips_and_writes(post):
    with post(*BOTH, pool_size=1, in_flight=IN_FLIGHT) as service:
        cost = service.cost("stream")

    every_mail(cost)
    assert cost.sessions <= 1
    assert cost.turns < MAILS
    assert service.writes < MAILS
