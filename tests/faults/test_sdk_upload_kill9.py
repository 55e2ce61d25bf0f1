"""`kill -9` of the service while a large mail is on its way to it."""

from __future__ import annotations

import random
import threading

import pytest
from postroom import Client
from postroom_server.sandbox.relay import SandboxRelay

from tests.support.process import daemon, free_port
from tests.support.service import plain, settings

# It starts processes, which a loaded machine does slowly.
pytestmark = pytest.mark.timeout(180)


def test_a_large_mail_goes_again_to_a_service_that_came_back(tmp_path):
    content = random.Random(3).randbytes(8_000_000)
    path = tmp_path / "large.bin"
    path.write_bytes(content)
    port, under_way, killed = free_port(), threading.Event(), threading.Event()

    def hold(gone: int, total: int) -> None:
        # Only the first attempt waits in the midst of it.
        if gone > total // 2 and not killed.is_set():
            under_way.set()
            killed.wait(60)

    with SandboxRelay() as relay:
        config = settings(tmp_path, {"main": plain(relay.port)})
        with daemon(config, port) as victim:
            client = Client(victim.target, timeout=120, max_attempts=30)
            results = []
            sender = threading.Thread(
                target=lambda: results.append(
                    client.send(
                        from_="me@example.com",
                        to="ada@example.com",
                        subject="x",
                        text="x",
                        attachments=[path],
                        on_progress=hold,
                    )
                ),
                name="sender",
            )
            sender.start()
            assert under_way.wait(60)
            victim.kill()
            killed.set()
        with daemon(config, port):
            sender.join(120)
        client.close()

    assert [result.delivered for result in results] == [True]
    assert len(relay.messages) == 1
