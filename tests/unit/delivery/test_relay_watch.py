from __future__ import annotations

import pytest
from postroom_server.delivery.findings import Finding, Found
from postroom_server.delivery.relay import FIRST_PROBE, LAST_PROBE, RelayWatch
from postroom_server.domain.attempt import FailureReason

from tests.support.clocks import FakeClock

REFUSED = Finding(Found.RELAY_AT_FAULT, FailureReason.AUTHENTICATION)
GONE = Finding(Found.TEMPORARY, FailureReason.NETWORK)


class Watched:
    def __init__(self):
        self.clock = FakeClock()
        self.health = []
        self.watch = RelayWatch(self.clock.monotonic, self.health.append)


@pytest.fixture
def watched():
    return Watched()


def test_a_relay_that_refused_us_is_asked_by_one_at_a_time(watched):
    watched.watch.failed(REFUSED)
    at_once = watched.watch.refusal()
    watched.clock.advance(FIRST_PROBE)
    probes = [watched.watch.refusal() for _ in range(3)]

    assert at_once is REFUSED
    assert probes == [None, REFUSED, REFUSED]
    assert watched.watch.resumes_in() > 0


def test_a_probe_that_came_to_nothing_is_followed_by_another(watched):
    watched.watch.failed(REFUSED)
    watched.clock.advance(FIRST_PROBE)
    assert watched.watch.refusal() is None

    watched.clock.advance(LAST_PROBE)

    assert watched.watch.resumes_in() == 0
    assert watched.watch.refusal() is None


def test_the_pauses_grow_up_to_the_longest(watched):
    pauses = []
    for _ in range(7):
        watched.watch.failed(REFUSED)
        pauses.append(watched.watch.resumes_in())

    assert pauses == [30, 60, 120, 240, 480, 600, 600]


def test_a_relay_that_works_again_is_well_and_mail_goes_on(watched):
    watched.watch.failed(REFUSED)

    watched.watch.worked()

    assert watched.health == [False, True]
    assert watched.watch.refusal() is None
    assert watched.watch.resumes_in() == 0
    assert not watched.watch.refuses


def test_health_hears_of_three_failures_in_a_row_and_of_their_end(watched):
    for _ in range(3):
        watched.watch.failed(GONE)
    watched.watch.worked()
    watched.watch.failed(GONE)

    assert watched.health == [False, True]
    assert watched.watch.refusal() is None
