from __future__ import annotations

import pytest
from postroom_server.delivery.findings import Finding, Found
from postroom_server.delivery.relay import (
    FIRST_PROBE,
    LAST_PROBE,
    RelayWatch,
)
from postroom_server.domain.attempt import FailureReason
from postroom_server.domain.pacing import Circuit

from tests.support.clocks import FakeClock

CIRCUIT = Circuit()

REFUSED = Finding(Found.RELAY_AT_FAULT, FailureReason.AUTHENTICATION)
GONE = Finding(Found.TEMPORARY, FailureReason.NETWORK)


class Watched:
    def __init__(self):
        self.clock = FakeClock()
        self.health = []
        self.watch = RelayWatch(self.clock.monotonic, self.health.append, lambda: 1.0)

    def open(self):
        for _ in range(CIRCUIT.failures):
            self.watch.failed(GONE)


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


def test_a_relay_that_fails_again_and_again_is_left_alone(watched):
    for _ in range(CIRCUIT.failures - 1):
        watched.watch.failed(GONE)
    before = watched.watch.refusal()
    watched.watch.failed(GONE)

    assert before is None
    assert watched.watch.is_open
    assert watched.watch.refusal().reason is FailureReason.RELAY_UNAVAILABLE
    assert watched.watch.resumes_in() == CIRCUIT.first_pause


def test_one_that_worked_between_is_no_series_of_failures(watched):
    for _ in range(3 * CIRCUIT.failures):
        watched.watch.failed(GONE)
        watched.watch.worked()

    assert not watched.watch.is_open


def test_one_probe_goes_to_a_relay_that_is_left_alone(watched):
    watched.open()
    watched.clock.advance(CIRCUIT.first_pause)
    first = watched.watch.refusal()
    # However long it takes to end.
    watched.clock.advance(CIRCUIT.longest_pause)

    assert first is None
    assert watched.watch.refusal() is not None


def test_what_was_under_way_when_it_opened_does_not_lengthen_the_pause(watched):
    watched.open()
    for _ in range(10):
        watched.watch.failed(GONE)

    assert watched.watch.resumes_in() == CIRCUIT.first_pause


def test_each_probe_that_fails_doubles_the_pause_up_to_the_longest(watched):
    watched.open()
    pauses = []
    for _ in range(8):
        watched.clock.advance(CIRCUIT.longest_pause)
        assert watched.watch.refusal() is None
        watched.watch.failed(GONE)
        pauses.append(watched.watch.resumes_in())

    assert pauses == [10, 20, 40, 80, 160, 300, 300, 300]


def test_a_probe_whose_caller_went_is_followed_by_another_at_once(watched):
    watched.open()
    watched.clock.advance(CIRCUIT.first_pause)
    watched.watch.refusal()

    watched.watch.undecided()

    assert watched.watch.resumes_in() == 0
    assert watched.watch.refusal() is None


def test_a_probe_that_worked_closes_the_circuit(watched):
    watched.open()
    watched.clock.advance(CIRCUIT.first_pause)
    watched.watch.refusal()

    watched.watch.worked()

    assert not watched.watch.is_open
    assert watched.watch.refusal() is None
    assert watched.health[-1] is True


def test_when_a_relay_is_left_alone_and_for_how_long_can_be_set():
    clock = FakeClock()
    own = Circuit(failures=2, first_pause=1.0, longest_pause=1.5)
    watch = RelayWatch(clock.monotonic, lambda _: None, lambda: 1.0, circuit=own)
    pauses = []
    for _ in range(4):
        watch.failed(GONE)
        pauses.append(watch.resumes_in())
        clock.advance(watch.resumes_in())
        watch.refusal()

    assert pauses == [0.0, 1.0, 1.5, 1.5]
