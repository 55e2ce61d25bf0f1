"""What several processes can't do is said before any is left running."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from tests.support.fleets import fleet_settings
from tests.support.service import plain, settings

pytestmark = pytest.mark.timeout(180)
NOWHERE = "postgresql://postroom@127.0.0.1:1/none"


def postroomd(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "postroom_server", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **environment},
    )


def test_a_store_in_a_file_is_for_one_process(tmp_path):
    config = settings(tmp_path, {"main": plain(2525)})
    done = postroomd("--config", config, "--processes", 2)

    assert done.returncode == 2
    assert "store.url to postgresql://" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_sandbox_is_for_one_process(tmp_path):
    done = postroomd("--sandbox", tmp_path / "s", "--processes", 2)

    assert done.returncode == 2
    assert "a file has one owner" in done.stderr


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [
        ("POSTROOM_LISTEN", "unix:/tmp/p.sock", "a Unix socket has one owner"),
        ("POSTROOM_METRICS__LISTEN", "127.0.0.1:65535", "up to 65536"),
        ("POSTROOM_METRICS__LISTEN", "127.0.0.1:50050", "50050 to 50051"),
        ("POSTROOM_SERVER__PROCESSES", "0", "POSTROOM_SERVER__PROCESSES"),
    ],
)
def test_what_they_can_not_share_is_named(tmp_path, key, value, word):
    config = fleet_settings(tmp_path, NOWHERE, 2525)
    environment = {
        "POSTROOM_LISTEN": "127.0.0.1:50051",
        "POSTROOM_SERVER__PROCESSES": "2",
        key: value,
    }
    done = postroomd("--config", config, "--check-config", **environment)

    assert done.returncode == 2
    assert word in done.stderr


def test_a_store_that_is_away_is_told_once_and_ends_the_whole(tmp_path):
    config = fleet_settings(tmp_path, NOWHERE, 2525)
    done = postroomd("--config", config, "--processes", 3)

    assert done.returncode == 3
    assert done.stderr.count("the database can't be used") == 1
    assert "Traceback" not in done.stderr


def test_a_port_in_use_is_told_before_anything_is_started(tmp_path):
    config = fleet_settings(tmp_path, NOWHERE, 2525)
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = postroomd("--config", config, "--processes", 2, POSTROOM_LISTEN=address)

    assert done.returncode == 3
    assert "in use" in done.stderr
    assert "process.started" not in done.stderr
