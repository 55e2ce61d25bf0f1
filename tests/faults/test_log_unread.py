"""Nobody reads the log: mail is taken and delivered all the same."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import urllib.request

import pytest
from postroom import Client, Health, PostroomError
from postroom_server.sandbox.relay import SandboxRelay

from tests.support.process import PAUSE, free_port
from tests.support.service import plain, settings

# It starts processes, which a loaded machine does slowly.
pytestmark = pytest.mark.timeout(180)

MAILS = 60
PATIENCE = 30.0


def ready(client):
    for _ in range(600):
        try:
            if client.health("postroom.v1.DeliveryService") is Health.SERVING:
                return True
        except PostroomError:
            PAUSE.wait(0.05)
    return False


def test_a_log_that_nobody_reads_stops_no_mail_and_not_the_end(tmp_path):
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    port, metrics = free_port(), free_port()
    with SandboxRelay() as relay:
        config = settings(
            tmp_path,
            {"main": plain(relay.port)},
            f'listen = "127.0.0.1:{port}"\nmetrics = {{ listen = "127.0.0.1:{metrics}" }}',
        )
        config.write_text(config.read_text().replace('listen = "127.0.0.1:0"\n', "", 1))
        process = subprocess.Popen(
            [sys.executable, "-m", "postroom_server", "--config", str(config)],
            stderr=writing,
        )
        os.close(writing)
        with process, Client(f"127.0.0.1:{port}", timeout=PATIENCE) as client:
            assert ready(client)
            for _ in range(MAILS):
                result = client.send(
                    from_="me@example.com", to="ada@example.com", subject="x", text="x"
                )
                assert result.delivered
            page = f"http://127.0.0.1:{metrics}/metrics"
            with urllib.request.urlopen(page, timeout=PATIENCE) as answer:
                series = answer.read().decode()
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
        os.close(reading)

    (waiting,) = (
        line for line in series.splitlines() if line.startswith("postroom_log_lines_wa")
    )
    # More than the pipe takes: somebody would have waited.
    assert float(waiting.split()[1]) > 0
    assert "postroom_log_lines_lost_total 0.0" in series
