from __future__ import annotations

from datetime import timedelta

import pytest
from postroom._attempts import Attempts, Terms
from postroom._calls import request_id_of
from postroom._failures import CLOSED, Failure
from postroom._retry import Surroundings
from postroom.v1 import delivery_requests_pb2, send_pb2, stats_pb2

STILL = Surroundings(clock=lambda: 100.0, chance=lambda: 1.0)
TERMS = Terms(target="localhost:50051", timeout=90.0, surroundings=STILL)
AWAY = Failure(code="UNAVAILABLE", text="Socket closed")
REFUSED = Failure(code="UNAVAILABLE", text="failed to connect to all addresses")


@pytest.mark.parametrize(
    ("request_", "request_id"),
    [
        (send_pb2.SendMessageRequest(request_id="mine"), "mine"),
        (delivery_requests_pb2.CancelDeliveryRequest(request_id="mine"), "mine"),
        (delivery_requests_pb2.RetryDeliveryRequest(request_id="mine"), "mine"),
        (delivery_requests_pb2.GetDeliveryRequest(request_id="mine"), ""),
        (stats_pb2.GetStatsRequest(), ""),
    ],
)
def test_only_what_changes_something_has_an_id_to_repeat_it_with(request_, request_id):
    assert request_id_of(request_) == request_id


@pytest.mark.parametrize(
    ("given", "allowed"),
    [
        ({}, 90.0),
        ({"timeout": None}, 90.0),
        ({"timeout": 5}, 5.0),
        ({"timeout": 0}, 0.0),
        ({"timeout": timedelta(minutes=1)}, 60.0),
    ],
)
def test_a_call_has_its_own_time_or_the_clients(given, allowed):
    assert Attempts(TERMS, given).begin() == allowed


def test_what_is_asked_once_is_not_asked_again():
    attempts = TERMS.once({})
    attempts.begin()

    assert attempts.delay_after(AWAY) is None


@pytest.mark.parametrize(
    ("failures", "nothing_sent"),
    [
        ([REFUSED], True),
        ([AWAY], False),
        ([CLOSED], False),
        ([AWAY, REFUSED], False),
        ([REFUSED, CLOSED], False),
    ],
)
def test_doubt_once_left_stays(failures, nothing_sent):
    attempts = Attempts(TERMS, {}, "mine")
    for failure in failures[:-1]:
        attempts.begin()
        attempts.delay_after(failure)

    assert attempts.error_of(failures[-1]).nothing_sent is nothing_sent
