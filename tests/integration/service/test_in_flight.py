"""The service with a relay whose sessions carry several mails at once."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from postroom.v1 import delivery_pb2 as delivery_pb
from postroom.v1 import send_pb2 as send_pb
from postroom_server.sandbox.relay import SandboxRelay

from tests.support.relays import ready
from tests.support.scripted_relay import Peer, ScriptedRelay
from tests.support.service import plain, running
from tests.support.window_relay import Trouble, WindowRelay

WINDOW = 8
UNCERTAIN = delivery_pb.DELIVERY_STATUS_UNCERTAIN
SUCCESS = delivery_pb.DELIVERY_STATUS_SUCCESS


def sent(tmp_path, script, **fields):
    """The results of one mail, and then of a window of them, sent side by side."""
    with (
        ScriptedRelay(script) as relay,
        SandboxRelay() as unused,
        running(
            tmp_path,
            {"main": plain(relay.port, pool_size=1, in_flight=WINDOW)},
            unused,
        ) as service,
        ThreadPoolExecutor(WINDOW) as callers,
    ):
        first = service.send(message={"envelope_from": "first@example.com"})

        def send(number):
            sender = f"m{number}@example.com"
            return service.send(message={"envelope_from": sender}, **fields)

        return first, list(callers.map(send, range(WINDOW)))


def test_a_window_of_mails_is_under_way_in_one_session(tmp_path):
    script = WindowRelay(window=WINDOW)

    first, results = sent(tmp_path, script)

    assert {r.status for r in (first, *results)} == {SUCCESS}
    assert script.connections == 1


@pytest.mark.parametrize(("kind", "unknown"), [("drop", WINDOW - 3), ("421", 0)])
def test_a_session_that_breaks_leaves_unknown_only_what_is(tmp_path, kind, unknown):
    script = WindowRelay(Trouble(3, "RCPT", kind), WINDOW)

    _, results = sent(tmp_path, script, retry=send_pb.RetryPolicy(disabled=True))

    found = Counter(result.status for result in results)
    assert found == Counter({SUCCESS: WINDOW - unknown, UNCERTAIN: unknown})
    assert len(script.taken) == len(set(script.taken))


def test_with_pipelining_alone_the_next_envelope_does_not_wait(tmp_path):
    def script(peer: Peer) -> None:
        ready("PIPELINING")(peer)
        envelope = "C: MAIL .+\nC: RCPT .+\nC: DATA"
        for answer in ("250 2.0.0 taken", ""):
            peer.play(envelope)
            peer.say("250 ok", "250 ok", "354 go on")
            peer.data()
            peer.say(*filter(None, [answer]))
        peer.play(envelope)
        peer.say("250 2.0.0 taken", "250 ok", "250 ok", "354 go on")
        peer.data()
        peer.say("250 2.0.0 taken")
        peer.play("C: QUIT\nS: 221 bye")

    with (
        ScriptedRelay(script) as relay,
        SandboxRelay() as unused,
        running(tmp_path, {"main": plain(relay.port, pool_size=1)}, unused) as service,
        ThreadPoolExecutor(2) as callers,
    ):
        first = service.send()
        others = list(callers.map(lambda _: service.send(), range(2)))

    assert {r.status for r in (first, *others)} == {SUCCESS}
