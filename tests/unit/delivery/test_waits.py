from __future__ import annotations

from dataclasses import replace

import pytest
from postroom_server.delivery.waits import News, WaitRoom

from tests.support.builders import a_delivery


@pytest.fixture
def room():
    return WaitRoom(2)


def test_no_more_callers_wait_for_a_relay_than_may(room):
    first = room.enter("d1", "main", 1.0)
    room.enter("d2", "main", 1.0)

    assert room.enter("d3", "main", 1.0) is None
    assert room.enter("d3", "other", 1.0) is not None
    room.leave(first)
    assert room.enter("d3", "main", 1.0) is not None


@pytest.mark.parametrize("other_limit", [5.0, 50.0])
def test_a_twin_keeps_the_wait_alive_however_short_its_own_is(room, other_limit):
    gone = room.enter("d1", "main", 10.0)
    room.enter("d1", "main", other_limit)
    gone.leave()

    assert not room.is_last(gone)
    assert room.limit("d1") == other_limit


def test_of_two_who_end_at_once_one_is_the_last(room):
    one, other = room.enter("d1", "main", 1.0), room.enter("d1", "main", 2.0)

    assert [room.is_last(other), room.is_last(one)] == [False, True]
    assert room.limit("d1") is None


def test_who_has_left_keeps_nothing_alive(room):
    one, other = room.enter("d1", "main", 1.0), room.enter("d1", "main", 2.0)
    other.leave()

    assert room.is_last(one)


def test_all_who_wait_look_up_when_the_room_closes(room):
    waits = [room.enter("d1", "main", 1.0), room.enter("d2", "other", 1.0)]
    room.close()

    assert room.closing
    assert all(wait.woken.is_rung for wait in waits)


def test_callers_of_one_tenant_leave_places_to_those_of_another():
    room = WaitRoom(4, shared=True)
    mine = [room.enter(f"d{n}", "main", 1.0, "a") for n in range(4)]
    theirs = room.enter("e1", "main", 1.0, "b")

    assert [wait is not None for wait in (*mine, theirs)] == [True] * 3 + [False, True]
    room.leave(mine[0])
    assert room.enter("d5", "main", 1.0, "b") is not None
    assert room.enter("d6", "other", 1.0, "a") is not None


def test_the_only_tenant_has_all_places():
    room = WaitRoom(4)

    assert all(room.enter(f"d{n}", "main", 1.0, "a") for n in range(4))


@pytest.mark.parametrize(("version", "told"), [(2, None), (3, 3), (4, 4)])
def test_news_from_before_what_is_known_is_none(room, version, told):
    known = replace(a_delivery(), version=3)
    wait = room.enter(known.id, "main", 10.0)
    room.post(News(replace(known, version=version), answers_now=True))
    answer = wait.answer(known)

    assert (answer and answer.version) == told
