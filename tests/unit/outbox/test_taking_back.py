"""What nobody heard the outcome of is taken back, also at a second try."""

from __future__ import annotations

import threading

import pytest
from postroom_server.domain.clock import SystemClock
from postroom_server.domain.errors import NotReady, StoreFull
from postroom_server.outbox.committer import Committer
from postroom_server.outbox.errors import RowRefused
from postroom_server.outbox.waiting import LineSettings
from postroom_server.outbox.work import Outcome, Work

PATIENCE = 30.0


class TakeBack(Work):
    """What takes the work back."""


class InDoubt(Work):
    """Work that is taken back when nobody knows of it."""

    def undone(self, _result):
        return [TakeBack()]


class Refusing:
    """A writer that refuses to take back as often as it has errors to tell."""

    is_away = False

    def __init__(self, errors) -> None:
        self.errors = list(errors)
        self.tries = 0
        self.done = threading.Event()

    def commit(self, works):
        if not any(isinstance(work, TakeBack) for work in works):
            return [Outcome("stored") for _ in works]
        self.tries += 1
        if self.errors:
            return [Outcome(error=self.errors.pop(0)) for _ in works]
        self.done.set()
        return [Outcome(None) for _ in works]

    def doubtful(self):
        return [] if self.tries else [(InDoubt(), "stored")]

    def tidy(self) -> bool:
        return False

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize("error", [NotReady("busy"), StoreFull("full")])
def test_what_cannot_be_taken_back_now_is_taken_back_later(error, monkeypatch):
    monkeypatch.setattr("postroom_server.outbox.committer.IDLE_AFTER", 0.01)
    writer = Refusing([error, error])
    committer = Committer(writer, SystemClock(), LineSettings())
    try:
        committer.run(Work())

        assert writer.done.wait(PATIENCE)
        assert writer.tries == 3
    finally:
        committer.close()


def test_what_the_store_refuses_for_good_is_not_tried_again():
    writer = Refusing([RowRefused("never")])
    committer = Committer(writer, SystemClock(), LineSettings())
    try:
        committer.run(Work())
        committer.run(Work())
    finally:
        committer.close()

    assert writer.tries == 1
