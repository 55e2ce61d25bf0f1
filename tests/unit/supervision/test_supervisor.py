"""What the supervisor does when the system does not let it start a process."""

from __future__ import annotations

import errno
import os
import sys
import threading

import pytest
from postroom_server.supervision import restarts
from postroom_server.supervision.child import Child
from postroom_server.supervision.supervisor import Supervisor, Terms

PATIENCE = 60.0
MEMBER = """
import os, sys
number, control, status = map(int, sys.argv[-1].split(":"))
os.write(status, b"r")
os.read(control, 1)
"""
"""A process that is ready at once, and leaves when it is asked to."""


class Starting:
    """Starts such processes; of the second it fails *failures* times."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.started: list[int] = []
        self.second = threading.Event()

    def __call__(self, number, now):
        if number == 2 and self.failures:
            self.failures -= 1
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        child = Child(number, [sys.executable, "-c", MEMBER], os.environ, now)
        self.started.append(number)
        if number == 2:
            self.second.set()
        return child


@pytest.fixture
def signals():
    told, tell = os.pipe()
    yield told, tell
    os.close(told)
    os.close(tell)


def test_what_cannot_be_started_now_is_started_later_and_the_others_go_on(
    signals, monkeypatch
):
    monkeypatch.setattr(restarts, "FIRST", 0.01)
    told, tell = signals
    start = Starting(failures=2)
    terms = Terms(processes=2, address="127.0.0.1:1", leaving=PATIENCE)
    statuses = []
    service = Supervisor(start, terms, told)
    thread = threading.Thread(target=lambda: statuses.append(service.run()))
    thread.start()
    try:
        assert start.second.wait(PATIENCE)
    finally:
        os.write(tell, b"\x0f")
        thread.join(PATIENCE)

    assert (statuses, start.started) == ([0], [1, 2])
