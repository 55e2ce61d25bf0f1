"""Who writes what, and together with whom, in a session that several use."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from postroom_server.delivery.control import AttemptControl
from postroom_server.domain.attempt import FailureReason, Phase
from postroom_server.smtp.errors import SessionError
from postroom_server.smtp.timeouts import NOT_AT_ALL, Timeouts
from postroom_server.smtp.window import Overlap, Place, Window

from tests.support.controls import Orders

PATIENCE = 10.0


class Link:
    """Notes each write; the first one lasts until it is told to end."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.begun, self.go = threading.Event(), threading.Event()
        self.fault = None
        self.timeouts = Timeouts()
        self.wire = SimpleNamespace(
            octets_written=0, close=lambda: None, abort=lambda: None
        )
        self.goes_through = True

    def write(self, buffers, phase, seconds, heard) -> bool:
        self.writes.append(b"".join(buffers))
        self.begun.set()
        assert self.go.wait(PATIENCE)
        if self.goes_through:
            self.wire.octets_written += len(self.writes[-1])
        return self.goes_through

    def fail(self, fault):
        self.fault = fault
        return fault

    def spoke_unasked(self) -> bool:
        return self.fault is not None


def whole(window: Window, octets: bytes, link: Link) -> Place:
    """Send *octets* as a mail and hear its replies at once."""
    place = Place(Overlap.WHOLE)
    window.enter(place, Orders())
    window.send(place, [octets])
    window.await_turn(place)
    window.leave(place)
    return place


def three_at_once(link: Link) -> list[Place]:
    """One that writes, and two that come while it does."""
    window = Window(link)
    entered = threading.Semaphore(0)
    window.room = entered.release
    with ThreadPoolExecutor(3) as threads:
        first = threads.submit(whole, window, b"one ", link)
        assert link.begun.wait(PATIENCE)
        others = [threads.submit(whole, window, o, link) for o in (b"two ", b"three ")]
        for _ in range(3):
            assert entered.acquire(timeout=PATIENCE)
        while len(window._unsent) < 2:
            pass
        link.go.set()
        return [one.result(PATIENCE) for one in (first, *others)]


def test_what_comes_while_one_writes_leaves_in_one_write():
    link = Link()

    places = three_at_once(link)

    assert len(link.writes) == 2
    assert link.writes[0] == b"one "
    assert sorted(link.writes[1].split()) == sorted(b"RSET two RSET three".split())
    assert all(place.sealed for place in places)


def test_what_was_not_written_is_known_to_be():
    link = Link()
    link.goes_through = False

    places = three_at_once(link)

    assert not any(place.sealed for place in places)
    assert len(link.writes) == 1


def test_nobody_begins_beside_one_that_is_alone():
    window = Window(Link())
    alone = Place(Overlap.NONE)
    window.enter(alone, Orders())

    with pytest.raises(SessionError) as raised:
        window.enter(Place(Overlap.WHOLE), Orders(NOT_AT_ALL))

    assert raised.value.reason is FailureReason.DEADLINE
    assert not window.has_room


def test_one_that_waits_to_be_alone_is_not_overtaken():
    link = Link()
    link.go.set()
    window = Window(link)
    busy, alone = Place(Overlap.WHOLE), Place(Overlap.NONE)
    window.enter(busy, Orders())
    window.send(busy, [b"one "])
    waits = threading.Event()

    class Noted(Orders):
        def on_abort(self, callback):
            waits.set()

    with ThreadPoolExecutor(1) as threads:
        entering = threads.submit(window.enter, alone, Noted())
        assert waits.wait(PATIENCE)
        had_room = window.has_room
        window.leave(busy)
        entering.result(PATIENCE)

    assert not had_room


def test_a_session_left_unclean_is_not_at_rest():
    link = Link()
    link.go.set()
    window = Window(link)
    failed, coming = Place(Overlap.WHOLE), Place(Overlap.WHOLE)
    window.enter(failed, Orders())
    window.send(failed, [b"one "])
    window.enter(coming, Orders())

    held = window.hold(failed)
    window.leave(failed)
    window.withdraw()

    assert not held
    assert not window.at_rest


def test_the_next_mail_behind_one_that_failed_begins_with_reset():
    link = Link()
    link.go.set()
    window = Window(link)
    failed, coming = Place(Overlap.WHOLE), Place(Overlap.WHOLE)
    window.enter(failed, Orders())
    window.send(failed, [b"one "])
    window.enter(coming, Orders())
    window.hold(failed)
    window.leave(failed)
    reset_first = window.send(coming, [b"two "])
    window.leave(coming)

    assert reset_first
    assert link.writes[1].startswith(b"RSET\r\n")
    assert window.at_rest


def told_to_write(link: Link, fault: SessionError | None = None) -> Place:
    """One that hears that it is to write just before it waits; *fault* comes then."""
    window = Window(link)
    told = Place(Overlap.WHOLE)
    with ThreadPoolExecutor(1) as threads:
        ahead = threads.submit(whole, window, b"one ", link)
        assert link.begun.wait(PATIENCE)
        window.enter(told, Orders())
        window.send(told, [b"two "])
        lock, mine = window._lock, threading.get_ident()

        class Overtaken:
            """Who takes it here comes after the one ahead has done all it does."""

            def __enter__(self) -> None:
                if threading.get_ident() == mine and not ahead.done():
                    link.go.set()
                    ahead.result(PATIENCE)
                    link.fault = fault
                lock.acquire()

            def __exit__(self, *trouble: object) -> None:
                lock.release()

        window._lock = Overtaken()
        assert window.await_turn(told)
    return told


def test_one_that_is_told_to_write_just_before_it_waits_does_not_wait():
    told = told_to_write(Link())

    assert told.sealed
    assert told.woken is None


def test_nothing_is_written_to_a_session_that_another_broke():
    link = Link()
    told = told_to_write(
        link, SessionError(Phase.DATA, FailureReason.NETWORK, "it broke")
    )

    assert link.writes == [b"one "]
    assert not told.sealed


def test_one_that_was_called_off_before_it_has_to_wait_is_turned_away():
    window = Window(Link())
    window.enter(Place(Overlap.NONE), Orders())
    control = AttemptControl(limit=lambda: None, mark=lambda: True)
    control.call_off()
    raised: list[SessionError] = []

    def comes() -> None:
        try:
            window.enter(Place(Overlap.WHOLE), control)
        except SessionError as error:
            raised.append(error)

    thread = threading.Thread(target=comes, daemon=True)
    thread.start()
    thread.join(PATIENCE)

    assert [error.reason for error in raised] == [FailureReason.DEADLINE]
