"""What every outbox must do for callers who do not stand and wait."""

from __future__ import annotations

import threading
from queue import SimpleQueue

import pytest
from postroom_server.domain.clock import after
from postroom_server.domain.errors import NotReady
from postroom_server.domain.transitions import begin_attempt

from tests.support.builders import a_content, a_new_delivery, a_request
from tests.support.deliveries import NOW

PATIENCE = 20.0


def begin(outbox, change, request=None):
    """What was returned, and what it was told with."""
    told = SimpleQueue()
    accepting = outbox.begin_accept(change, a_content(), request, told.put)
    return accepting, told


def test_it_is_stored_when_its_caller_is_told(outbox, told):
    change = a_new_delivery()
    accepting, ended = begin(outbox, change)

    assert ended.get(timeout=PATIENCE) is accepting
    assert accepting.result() is None
    assert outbox.get("default", change.after.id) == change.after
    assert told == [change]


def test_a_request_that_was_used_is_told_and_nothing_is_stored(outbox):
    first, second = a_new_delivery(), a_new_delivery()
    outbox.accept(first, a_content(), a_request(first.after))
    accepting, ended = begin(outbox, second, a_request(second.after))
    ended.get(timeout=PATIENCE)

    assert accepting.result().delivery_id == first.after.id
    assert outbox.get("default", second.after.id) is None


@pytest.mark.parametrize("patient", [False, True])
def test_many_are_begun_before_one_is_awaited(outbox, patient):
    changes = [a_new_delivery() for _ in range(50)]
    told = SimpleQueue()
    for change in changes:
        outbox.begin_accept(change, a_content(), None, told.put, patient=patient)

    for _ in changes:
        assert told.get(timeout=PATIENCE).result() is None
    assert all(outbox.get("default", change.after.id) for change in changes)


def test_what_has_a_result_is_not_withdrawn(outbox):
    change = a_new_delivery()
    accepting, ended = begin(outbox, change)
    ended.get(timeout=PATIENCE)

    accepting.withdraw()

    assert accepting.result() is None
    assert outbox.get("default", change.after.id)


def test_a_closed_store_takes_nothing(outbox):
    outbox.close()

    with pytest.raises(NotReady):
        outbox.begin_accept(a_new_delivery(), a_content(), None, threading.Event.set)


def test_a_change_is_stored_when_its_maker_is_told(outbox, told):
    accepted = a_new_delivery()
    outbox.accept(accepted, a_content(), None)
    change, ended = begin_attempt(accepted.after, NOW), SimpleQueue()
    outbox.begin_save(change, ended.put)
    outbox.begin_commit()

    assert ended.get(timeout=PATIENCE) is True
    assert outbox.get("default", change.after.id) == change.after
    assert told == [accepted, change]


def test_a_change_of_what_is_different_by_now_is_not_stored(outbox, told):
    accepted = a_new_delivery()
    outbox.accept(accepted, a_content(), None)
    first, ended = begin_attempt(accepted.after, NOW), SimpleQueue()
    outbox.save(first)
    outbox.begin_save(begin_attempt(accepted.after, after(NOW, 1.0)), ended.put)
    outbox.begin_commit()

    assert ended.get(timeout=PATIENCE) is False
    assert told == [accepted, first]


def test_a_change_waits_for_no_commit_of_its_own(outbox):
    accepted = a_new_delivery()
    outbox.accept(accepted, a_content(), None)
    ended = SimpleQueue()
    outbox.begin_save(begin_attempt(accepted.after, NOW), ended.put)
    outbox.accept(a_new_delivery(), a_content(), None)

    # The acceptance was committed behind it, or with it.
    assert ended.get(timeout=PATIENCE) is True


def test_a_closed_store_takes_no_change(outbox):
    change = begin_attempt(a_new_delivery().after, NOW)
    outbox.close()

    with pytest.raises(NotReady):
        outbox.begin_save(change, list)
