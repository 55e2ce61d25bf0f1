"""Marks survive `kill -9`, and tell exactly the ends of data that may have been sent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from postroom_server.outbox.marks import Marks

ROOT = Path(__file__).parents[2]
CHILD = """
import os, sys
from pathlib import Path
from postroom_server.outbox.marks import Marks

marks = Marks.open(Path(sys.argv[1]))
marks.forget()
version = 0
while True:
    version += 1
    slot = marks.mark("delivery", version)
    os.write(1, f"sent {version}\\n".encode())
    marks.clear(slot)
    os.write(1, f"stored {version}\\n".encode())
"""


def killed_after(path: Path, lines: int) -> list[str]:
    """What a process said that was killed when it had said so many lines."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, path],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    with child, child.stdout:
        said = [child.stdout.readline() for _ in range(lines)]
        child.send_signal(signal.SIGKILL)
        said += child.stdout.readlines()
    return [line for line in said if line.endswith("\n")]


@pytest.mark.parametrize("lines", [1, 2, 7, 100, 301])
def test_what_was_sent_and_not_stored_is_marked_after_a_kill(tmp_path, lines):
    path = tmp_path / "outbox.marks"
    word, version = killed_after(path, lines)[-1].split()
    marks = Marks.open(path)
    with closing(marks):
        found = {number for _, number in marks.marked_at_open()}

    # It may have come one step further than it could say.
    assert marks.readable
    assert found <= {int(version), int(version) + 1}
    if word == "sent":
        assert found in ({int(version)}, set())
    else:
        assert int(version) not in found


def test_a_mark_is_there_however_soon_after_it_the_process_dies(tmp_path):
    path = tmp_path / "outbox.marks"
    dying = CHILD.replace("    marks.clear(slot)\n", "    os.kill(os.getpid(), 9)\n")
    child = subprocess.run(
        [sys.executable, "-c", dying, path],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    marks = Marks.open(path)
    with closing(marks):
        found = marks.marked_at_open()

    assert child.returncode == -signal.SIGKILL
    assert found == {("delivery", 1)}
