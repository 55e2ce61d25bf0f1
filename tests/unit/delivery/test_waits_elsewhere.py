"""Waits of other processes for what is at home here."""

from __future__ import annotations

import pytest
from postroom_server.delivery.waits import WaitRoom

ID, KEY = "d1", ("default", "d1")


@pytest.fixture
def room():
    return WaitRoom(4)


def test_who_waits_elsewhere_bounds_an_attempt_like_who_waits_here(room):
    room.enter(ID, "main", 10.0)
    room.heard_elsewhere({KEY: 30.0})

    assert room.limit(ID) == 30.0


def test_nobody_here_is_the_last_while_somebody_waits_elsewhere(room):
    wait = room.enter(ID, "main", 10.0)
    room.awaited_elsewhere(*KEY, 30.0)

    assert not room.is_last(wait)


def test_who_left_elsewhere_is_told_once_nobody_waits_here(room):
    wait = room.enter(ID, "main", 10.0)
    room.heard_elsewhere({KEY: 30.0})

    assert not room.heard_elsewhere({})
    room.leave(wait)
    assert set(room.heard_elsewhere({})) == {KEY}
    assert not room.heard_elsewhere({})


def test_a_wait_that_was_found_in_the_store_ends_too(room):
    room.awaited_elsewhere(*KEY, 30.0)

    assert set(room.heard_elsewhere({})) == {KEY}
    assert room.limit(ID) is None


def test_a_nudge_wakes_who_waits_for_the_delivery_and_no_other(room):
    wait, other = room.enter(ID, "main", 10.0), room.enter("d2", "main", 10.0)
    with room.listening(ID) as heard:
        room.nudge(ID)

        assert heard.is_set()
    assert wait.nudged
    assert wait.woken.is_rung
    assert not other.woken.is_rung


def test_nobody_listens_any_more_after_the_block(room):
    with room.listening(ID) as heard:
        pass
    room.nudge(ID)

    assert not heard.is_set()
