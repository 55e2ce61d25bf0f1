"""What `make run` does: the first that a new user sees."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.fake_service import serving
from tests.support.process import free_port
from tests.support.sources import ROOT

# It starts processes, which a loaded machine does slowly.
pytestmark = pytest.mark.timeout(180)

PATIENCE = 90.0


@pytest.fixture
def run(tmp_path):
    """Runs it once; its sandbox is in *tmp_path*."""

    def run(target):
        sandbox = {"POSTROOM_TARGET": target, "POSTROOM_SANDBOX": str(tmp_path)}
        return subprocess.run(
            [sys.executable, str(ROOT / "examples/first_mail.py"), "--once"],
            env={**os.environ, **sandbox},
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
