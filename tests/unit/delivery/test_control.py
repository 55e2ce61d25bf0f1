from __future__ import annotations

import math
from threading import Event

from postroom_server.delivery.control import AttemptControl, UnderWay


def a_control(limit=lambda: None, mark=lambda: True):
    return AttemptControl(limit=limit, mark=mark)


def test_what_was_called_off_does_not_pass_its_end_of_data():
    control = a_control()

    assert control.call_off()
    assert not control.pass_end_of_data()


def test_what_passed_its_end_of_data_is_not_called_off():
    control = a_control()

    assert control.pass_end_of_data()
    assert not control.call_off(cancelled=True)
    assert not control.conclude()


def test_what_could_not_be_marked_does_not_leave():
    control = a_control(mark=lambda: False)

    assert not control.pass_end_of_data()
    assert not control.past_end_of_data


def test_what_the_relay_surely_does_not_have_may_be_offered_again():
    control = a_control()
    control.pass_end_of_data()

    assert control.take_back()
    assert control.call_off()


def test_what_nobody_waits_for_any_more_is_not_offered_again():
    control = a_control(limit=lambda: -math.inf)
    control.pass_end_of_data()

    assert not control.take_back()


def test_what_was_called_off_is_not_offered_again():
    control = a_control()
    control.call_off()

    assert not control.take_back()


def test_an_abort_that_comes_first_cuts_what_is_begun_after_it():
    control, cut = a_control(), Event()
    control.call_off()

    control.on_abort(cut.set)

    assert cut.is_set()


def test_what_begins_after_everything_was_called_off_is_called_off_too():
    under_way, control = UnderWay(), a_control()
    under_way.call_off_all()

    under_way.begin("d1", control)

    assert not control.pass_end_of_data()


def test_the_end_of_an_attempt_leaves_the_next_one_where_it_is():
    under_way, first, second = UnderWay(), a_control(), a_control()
    under_way.begin("d1", first)
    under_way.begin("d1", second)
    under_way.end("d1", first)
    before = under_way.get("d1")
    under_way.end("d1", second)

    assert (before, under_way.get("d1")) == (second, None)


def test_a_cancellation_is_not_forgotten_when_the_caller_leaves_after_it():
    control = a_control()
    control.call_off(cancelled=True)
    control.call_off()

    assert control.conclude()
