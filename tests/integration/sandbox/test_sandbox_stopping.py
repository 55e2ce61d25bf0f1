"""A sandbox relay that stops leaves no link behind."""

from __future__ import annotations

import gc
import socket
import sys
import warnings
from contextlib import ExitStack

from postroom_server.sandbox.relay import SandboxRelay

ROUNDS = 20


def test_links_that_come_while_it_stops_are_closed(monkeypatch):
    # What others left behind is not looked for here.
    gc.collect()
    left = []
    monkeypatch.setattr(sys, "unraisablehook", left.append)
    with warnings.catch_warnings(), ExitStack() as stack:
        warnings.simplefilter("error", ResourceWarning)
        for _ in range(ROUNDS):
            with SandboxRelay() as relay:
                for _ in range(5):
                    caller = stack.enter_context(socket.socket())
                    caller.connect((relay.host, relay.port))
        gc.collect()

    assert left == []
