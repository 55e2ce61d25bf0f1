"""The one thread that writes outlives whatever happens to it."""

from __future__ import annotations

import pytest
from postroom_server.domain.clock import SystemClock
from postroom_server.outbox.committer import Committer
from postroom_server.outbox.errors import RowRefused
from postroom_server.outbox.waiting import LineSettings
from postroom_server.outbox.work import Outcome, Work


class Scripted:
    """A writer that does as its next step says."""

    is_away = False

    def __init__(self) -> None:
        self.steps = []
        self.closed = False

    def commit(self, works):
        step = self.steps.pop(0) if self.steps else list
        return step() or [Outcome("stored") for _ in works]

    def tidy(self) -> bool:
        raise ZeroDivisionError

    def close(self) -> None:
        self.closed = True


def fail() -> None:
    raise ZeroDivisionError


@pytest.fixture
def writer() -> Scripted:
    return Scripted()


@pytest.fixture
def committer(writer):
    made = Committer(writer, SystemClock(), LineSettings())
    yield made
    made.close()


def test_work_is_run_on_a_thread_of_its_own_name(committer):
    assert committer.run(Work()) == "stored"
    assert committer._thread.name == "postroom-committer"


def test_a_defect_in_a_commit_is_its_callers_alone(committer, writer):
    writer.steps = [fail]
    with pytest.raises(RowRefused):
        committer.run(Work())

    assert committer.run(Work()) == "stored"


def test_a_defect_while_tidying_ends_nothing(committer, monkeypatch):
    monkeypatch.setattr("postroom_server.outbox.committer.IDLE_AFTER", 0.0)
    first, second = committer.run(Work()), committer.run(Work())

    assert (first, second) == ("stored", "stored")
    assert committer._thread.is_alive()


def test_a_log_that_cannot_be_written_ends_nothing(committer, writer, monkeypatch):
    class FullDisk:
        def __getattr__(self, level: str):
            raise OSError(level)

    monkeypatch.setattr("postroom_server.outbox.telling._log", FullDisk())
    writer.steps = [fail]
    with pytest.raises(RowRefused):
        committer.run(Work())

    assert committer.run(Work()) == "stored"


def test_closing_ends_the_thread_and_closes_the_writer(committer, writer):
    committer.close()

    assert not committer._thread.is_alive()
    assert writer.closed
