"""A service that is replaced while a stream is under way."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import ExitStack

import pytest
from postroom import Client
from postroom_server.sandbox.relay import SandboxRelay

from tests.support.process import daemon, free_port
from tests.support.service import plain, settings

# It starts processes, which a loaded machine does slowly.
pytestmark = pytest.mark.timeout(180)

MAILS = 300


def test_a_stream_goes_on_over_a_restart_and_nobody_notices(tmp_path):
    port, sent = free_port(), []
    with SandboxRelay() as relay, ExitStack() as stack:
        config = settings(tmp_path, {"main": plain(relay.port)})
        first = stack.enter_context(daemon(config, port))

        def replace() -> None:
            assert first.stop() == 0
            stack.enter_context(daemon(config, port))

        replacing = threading.Thread(target=replace, name="replacing")
        with Client(first.target) as client:
            for one in client.send_many(mails(), window=20, timeout=120):
                sent.append(one)
                if len(sent) == 50:
                    replacing.start()
            replacing.join()
        arrived = Counter(mail.recipients[0] for mail in relay.messages)

    assert sorted(one.key for one in sent) == list(range(MAILS))
    assert all(one.ok for one in sent)
    assert set(arrived.values()) == {1}
    assert len(arrived) == MAILS


def mails():
    for number in range(MAILS):
        to = f"n{number}@example.com"
        yield (
            number,
            {"from_": "me@example.com", "to": to, "subject": "x", "text": "x"},
        )
