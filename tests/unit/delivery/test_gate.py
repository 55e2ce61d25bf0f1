from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom_server.delivery.findings import Finding, Found
from postroom_server.delivery.tenant_gates import TenantGates
from postroom_server.domain.attempt import FailureReason
from postroom_server.domain.clock import Instant
from postroom_server.domain.pacing import DAY, Circuit, Limits
from postroom_server.domain.relays import RelayPause

from tests.support.clocks import FakeClock
from tests.support.gates import a_gate, a_gear

GONE = Finding(Found.TEMPORARY, FailureReason.NETWORK)
CIRCUIT = Circuit()
MIDNIGHT = 1_700_006_400_000_000


class Gated:
    def __init__(self, slots=3, **limits):
        self.clock = FakeClock(MIDNIGHT)
        self.gear = a_gear(self.clock)
        self.gate = a_gate(self.gear, slots, Limits(**limits))


def test_a_relay_without_limits_gets_what_is_wanted():
    gated = Gated()

    assert gated.gate.take(3, 0) == 3
    assert gated.gate.wait() == 0


@given(
    st.floats(0.1, 50.0),
    st.integers(1, 30),
    st.lists(st.tuples(st.floats(0, 3), st.integers(1, 10)), max_size=40),
)
def test_starts_never_exceed_the_rate_and_the_burst(per_second, burst, steps):
    gated = Gated(100, max_per_second=per_second, burst=burst)
    begin, started = gated.clock.monotonic(), 0
    for pause, wanted in steps:
        gated.clock.advance(pause)
        started += gated.gate.take(wanted, 0)
        elapsed = gated.clock.monotonic() - begin
        assert started <= per_second * elapsed + burst + 1e-6


def test_what_was_taken_and_not_started_is_there_for_others():
    gated = Gated(max_per_second=1.0, burst=2)
    gated.gate.take(2, 0)

    gated.gate.give_back(2)

    assert gated.gate.take(3, 0) == 2


def test_who_stands_behind_others_waits_for_them_too():
    gated = Gated(max_per_second=2.0, burst=1)
    gated.gate.take(1, 0)

    assert gated.gate.wait(ahead=3) == pytest.approx(2.0)


def test_the_recipients_of_a_day_are_all_there_are_until_the_next():
    gated = Gated(max_recipients_per_day=250)
    begun = 0
    while gated.gate.take(3, 0) and gated.gate.allowance.spend(50):
        begun += 50

    assert begun == 250
    assert gated.gate.wait() == DAY
    gated.clock.advance(DAY)
    assert gated.gate.take(1, 0) == 1


def test_no_more_mails_start_than_there_are_recipients_left_of_the_day():
    gated = Gated(10, max_recipients_per_day=5)
    assert gated.gate.allowance.spend(3)

    assert gated.gate.take(10, 0) == 2


def test_a_mail_to_more_than_are_left_waits_for_tomorrow_and_a_smaller_one_goes():
    gated = Gated(max_recipients_per_day=5)
    assert gated.gate.allowance.spend(3)

    assert gated.gate.allowance.spend(3) is None
    assert gated.gate.wait(recipients=3) == DAY
    assert gated.gate.wait(recipients=2) == 0
    assert gated.gate.allowance.spend(2)


def test_a_relay_with_all_that_it_may_have_under_way_is_not_looked_at_again():
    gated = Gated(10, concurrent_sessions=2)

    assert gated.gate.take(10, 1) == 1
    assert gated.gate.take(10, 2) == 0
    assert gated.gate.idle_for(2) == math.inf
    assert gated.gate.idle_for(1) == 0


def test_a_throttled_relay_with_its_share_under_way_is_not_looked_at_again():
    gated = Gated(8)
    gated.gate.relay.throttle.complained()

    assert gated.gate.idle_for(4) == math.inf
    assert gated.gate.idle_for(3) == 0


def test_leave_to_connect_is_not_asked_for_where_sessions_wait():
    gated = Gated(10, connections_per_minute=6)
    gated.gate.relay.idle = 2
    asked = []
    gated.gear.tokens.wait = lambda *_: asked.append(1) or 0.0

    assert gated.gate.take(2, 0) == 2
    assert not asked


def test_no_more_start_than_find_a_session_or_may_open_one():
    gated = Gated(10, connections_per_minute=6)
    gated.gate.relay.idle = 2

    assert gated.gate.take(10, 0) == 3


def test_who_finds_no_session_waits_for_leave_to_open_one():
    gated = Gated(10, connections_per_minute=6)
    gated.gear.tokens.take(
        "relay:main:connections", gated.gate.relay.limits.connections, 1
    )

    assert gated.gate.take(10, 0) == 0
    assert gated.gate.wait() == pytest.approx(10.0)


def test_a_paused_relay_starts_nothing_until_it_is_told():
    gated = Gated()
    gated.gate.relay.watch.pause_for(RelayPause("tests", "", Instant(0)))

    assert gated.gate.take(3, 0) == 0
    assert gated.gate.wait() == math.inf


def test_one_alone_goes_to_a_relay_that_was_left_alone():
    gated = Gated()
    for _ in range(CIRCUIT.failures):
        gated.gate.relay.watch.failed(GONE)

    assert gated.gate.take(3, 0) == 0
    assert gated.gate.wait() == pytest.approx(CIRCUIT.first_pause)
    gated.clock.advance(CIRCUIT.first_pause)
    assert gated.gate.take(3, 0) == 1
    # It has not begun yet, so the watch knows of no probe.
    assert gated.gate.take(3, 1) == 0
    assert gated.gate.wait() > 0


def test_a_relay_that_asked_for_less_gets_less():
    gated = Gated(8)
    gated.gate.relay.throttle.complained()

    assert gated.gate.take(8, 1) == 3


def tenants(clock, **limits):
    return TenantGates({"acme": Limits(**limits)}, a_gear(clock))


def test_a_tenant_has_no_more_under_way_than_its_share():
    gates = tenants(FakeClock(), concurrent_sessions=2)
    for _ in range(2):
        assert gates.take("acme", 1)

    assert not gates.take("acme", 1)
    assert gates.wait("acme") == math.inf
    gates.ended("acme")
    assert gates.take("acme", 1)


def test_a_tenant_that_is_too_fast_is_told_when_to_come():
    gates = tenants(FakeClock(), max_per_second=0.5, burst=1)

    assert gates.take("acme", 1)
    assert not gates.take("acme", 1)
    assert gates.rate_wait("acme") == pytest.approx(2.0)
    gates.give_back("acme", 1)
    assert gates.take("acme", 1)


def test_others_than_the_limited_tenant_have_no_limits():
    gates = tenants(FakeClock(), max_per_second=0.5, burst=1)

    assert all(gates.take("other", 1) for _ in range(100))
    assert gates.wait("other") == 0
