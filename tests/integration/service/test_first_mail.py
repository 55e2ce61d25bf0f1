"""What `make run` does: the first that a new user sees."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.fake_service import serving
from tests.support.process import free_port
from tests.support.sources import ROOT

# It starts processes, which a loaded machine does slowly.
pytestmark = pytest.mark.timeout(180)

PATIENCE = 90.0


EXAMPLE = (sys.executable, "-u", str(ROOT / "examples/first_mail.py"))


@pytest.fixture
def environment(tmp_path):
    """That of a service at a target; its sandbox is in *tmp_path*."""

    def environment(target):
        sandbox = {"POSTROOM_TARGET": target, "POSTROOM_SANDBOX": str(tmp_path)}
        return {**os.environ, **sandbox}

    return environment


@pytest.fixture
def run(environment):
    """Runs it once."""

    def run(target):
        return subprocess.run(
            [*EXAMPLE, "--once"],
            env=environment(target),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    return run


def test_the_first_mail_is_in_the_file_that_is_named(run, tmp_path):
    done = run(f"127.0.0.1:{free_port()}")
    file = Path(done.stdout.splitlines()[-1].removeprefix("Read it:  "))

    assert done.returncode == 0, done.stderr
    assert "SUCCESS: the relay has the mail." in done.stdout
    assert file.parent == tmp_path / "mail"
    assert b"Subject: It works" in file.read_bytes()


def test_no_other_service_gets_the_first_mail(run):
    with serving() as service:
        done = run(service.target)

    assert done.returncode == 1
    assert "POSTROOM_TARGET=" in done.stdout
    assert service.requests == []


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_no_service_is_left_behind_by_what_is_stopped(environment, sent):
    port = free_port()
    example = subprocess.Popen(
        EXAMPLE,
        env=environment(f"127.0.0.1:{port}"),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        with example.stdout:
            next(line for line in example.stdout if line.startswith("Serving on"))
            example.send_signal(sent)
            code = example.wait(PATIENCE)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(example.pid, signal.SIGKILL)

    assert code == 0
