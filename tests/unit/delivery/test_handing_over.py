"""What the caller's thread hears of mail that the commit handed on."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from postroom_server.delivery import handing_over
from postroom_server.delivery.handing_over import HandOver
from postroom_server.delivery.waits import Wait
from postroom_server.domain.clock import SystemClock
from postroom_server.domain.errors import NotReady

CLOCK = SystemClock()
PATIENCE = 20.0


class Storing:
    """A mail of a caller that waits for *seconds*, and what became of its slot."""

    def __init__(self, seconds=PATIENCE):
        self.given_back = 0
        self.told = 0
        self.wait = Wait("1", "main", CLOCK.monotonic() + seconds)
        self.ready = SimpleNamespace(content="content", mailing="mailing")
        delivery = SimpleNamespace(id="1")
        caller = SimpleNamespace(accepted=self.tell)
        self.handed = HandOver(self.ready, delivery, caller, self.wait, self.give_back)

    def give_back(self):
        self.given_back += 1

    def tell(self):
        self.told += 1

    def outcome(self, accepting, seconds=PATIENCE):
        until = CLOCK.monotonic() + seconds
        return self.handed.outcome(accepting, until, CLOCK)


def stored(used=None):
    return SimpleNamespace(result=lambda: used)


def refusing():
    raise NotReady("away")


def test_mail_that_was_accepted_is_delivered_and_its_caller_sleeps_on():
    storing = Storing()
    taken = storing.handed.take(stored())

    assert taken[1] == "mailing"
    assert (storing.told, storing.given_back) == (1, 0)
    assert not storing.wait.woken.is_rung
    assert storing.outcome(stored()) is None


@pytest.mark.parametrize("stays", [True, False])
def test_who_has_left_or_no_time_goes_on_when_it_is_decided(stays):
    storing = Storing(seconds=0.0 if stays else PATIENCE)
    if not stays:
        storing.wait.leave()
    with ThreadPoolExecutor(1) as pool:
        heard = pool.submit(storing.outcome, stored())
        storing.handed.take(stored())

        assert heard.result(PATIENCE / 2) is None


def test_who_leaves_while_it_is_stored_goes_on_when_it_is_decided():
    storing = Storing()
    with ThreadPoolExecutor(1) as pool:
        heard = pool.submit(storing.outcome, stored())
        storing.wait.leave()
        for _ in range(1000):
            if not storing.wait.woken.is_rung:
                break
            threading.Event().wait(0.01)
        storing.handed.take(stored())

        assert heard.result(PATIENCE / 2) is None


def test_a_request_id_that_was_used_frees_the_slot_and_is_told():
    storing = Storing()

    assert storing.handed.take(stored("a record")) is None
    assert storing.outcome(stored()) == "a record"
    assert (storing.told, storing.given_back) == (0, 1)


def test_what_the_store_refuses_is_raised_where_the_caller_waits():
    storing = Storing()
    storing.handed.take(SimpleNamespace(result=refusing))

    with pytest.raises(NotReady):
        storing.outcome(stored())
    assert storing.given_back == 1


def test_a_store_that_does_not_answer_in_time_gives_the_slot_back():
    storing = Storing()
    with pytest.raises(NotReady):
        storing.outcome(SimpleNamespace(withdraw=refusing), seconds=0.0)

    assert storing.given_back == 1


def test_what_nobody_tells_the_fate_of_is_not_called_accepted(monkeypatch):
    monkeypatch.setattr(handing_over, "STORING", 0.0)
    storing = Storing()
    ended = SimpleNamespace(withdraw=lambda: None)
    with pytest.raises(NotReady):
        storing.outcome(ended, seconds=0.0)

    # The slot is still for who takes it.
    assert storing.given_back == 0


def test_a_caller_hears_that_there_is_no_thread_for_its_mail():
    storing = Storing()
    with ThreadPoolExecutor(1) as pool:
        heard = pool.submit(storing.outcome, stored())
        storing.handed.lost()

        assert heard.result(PATIENCE / 2) is None


def test_a_caller_that_can_not_be_told_keeps_no_mail_from_being_delivered():
    storing = Storing()
    storing.handed.caller.accepted = refusing

    assert storing.handed.take(stored()) is not None
