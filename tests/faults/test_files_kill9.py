"""`kill -9` on the way of octets into a file, a blob, and a mail."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from postroom_server.domain.clock import SystemClock
from postroom_server.domain.octets import StoredOctets
from postroom_server.outbox.sqlite import SqliteOutbox

from tests.support.blobs import DATA, age, stored_files, sweep_all

ROOT = Path(__file__).parents[2]
CHILD = Path(__file__).with_name("files_child.py")
SHA256 = StoredOctets.of(DATA).sha256
DELIVERY = "1" * 32

# Where it was killed: the files that stay, whether there is a blob, whether a mail.
POINTS = {
    "write": (0, False, False),
    "fsync": (0, False, False),
    "replace": (0, False, False),
    "flush": (1, False, False),
    "row": (1, False, False),
    "accept": (1, True, False),
    "end": (1, True, True),
}


def killed_at(store: Path, point: str) -> None:
    child = subprocess.run(
        [sys.executable, CHILD, store, point],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert child.returncode == -signal.SIGKILL, child.stderr.decode()


@pytest.mark.parametrize(("point", "left"), POINTS.items(), ids=POINTS)
def test_what_is_there_is_whole_and_what_is_not_leaves_nothing(tmp_path, point, left):
    store = tmp_path / "outbox.db"
    killed_at(store, point)
    files, has_blob, has_mail = left
    with closing(SqliteOutbox.open(store, clock=SystemClock())) as outbox:
        stored = stored_files(store)
        content = outbox.content(DELIVERY)

        assert [file.read_bytes() for file in stored] == [DATA] * files
        assert (outbox.blobs.find("default", SHA256) is not None) is has_blob
        assert (content is not None) is has_mail
        if content is not None:
            (octets,) = content.message.stored
            assert b"".join(octets.blocks()) == DATA
        age(store)
        assert sweep_all(outbox.blobs) == (files if not has_blob else 0)
