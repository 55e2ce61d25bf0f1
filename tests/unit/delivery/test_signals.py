"""A bell is heard once for all its ringing; a latch stays open for everybody."""

from __future__ import annotations

import threading

from postroom_server.delivery.signals import Bell, Latch

PLENTY = 30.0


def test_a_bell_that_was_rung_before_is_heard_at_once_and_once():
    bell = Bell()
    bell.ring()
    bell.ring()

    assert bell.is_rung
    assert bell.hear(PLENTY)
    assert not bell.is_rung
    assert not bell.hear(0.0)


def test_a_bell_is_heard_by_who_waits():
    bell, heard = Bell(), []
    listener = threading.Thread(target=lambda: heard.append(bell.hear(PLENTY)))
    listener.start()
    bell.ring()
    listener.join(PLENTY)

    assert heard == [True]


def test_no_time_left_is_no_wait_without_end():
    assert not Bell().hear(-1.0)
    assert not Latch().wait(-1.0)


def test_an_open_latch_lets_everyone_go_on_for_good():
    latch, passed = Latch(), []
    waiting = [
        threading.Thread(target=lambda: passed.append(latch.wait(PLENTY)))
        for _ in range(3)
    ]
    for thread in waiting:
        thread.start()
    latch.open()
    latch.open()
    for thread in waiting:
        thread.join(PLENTY)

    assert passed == [True] * 3
    assert latch.wait(0.0)
