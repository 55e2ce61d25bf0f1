from __future__ import annotations

import pytest
from postroom_server.delivery.findings import Found
from postroom_server.delivery.leave import DayLeave
from postroom_server.delivery.tenant_gates import TenantGates
from postroom_server.domain.attempt import FailureReason
from postroom_server.domain.delivery import RecipientStatus as R
from postroom_server.domain.errors import NotReady
from postroom_server.domain.pacing import NO_LIMITS, Limits

from tests.support.clocks import FakeClock
from tests.support.deliveries import under_way
from tests.support.gates import a_gate, a_gear


class Asked:
    """Leave that is asked for mails to two of the tenant "default" on the relay "main"."""

    def __init__(self, relay=NO_LIMITS, tenant=NO_LIMITS):
        self.gear = a_gear(FakeClock())
        self.gate = a_gate(self.gear, limits=relay)
        self.tenants = TenantGates({"default": tenant}, self.gear)
        self.leave = DayLeave({"main": self.gate}, self.tenants)

    def of(self):
        return self.leave.of(under_way(R.PENDING, R.PENDING))


def per_day(recipients):
    return Limits(max_recipients_per_day=recipients)


def test_without_limits_there_is_always_leave():
    asked = Asked()

    assert all(asked.of().refusal is None for _ in range(100))


@pytest.mark.parametrize(
    ("limits", "whose"),
    [((per_day(3), NO_LIMITS), "relay"), ((NO_LIMITS, per_day(3)), "tenant")],
)
def test_a_mail_that_would_go_beyond_the_day_is_refused_and_told_why(limits, whose):
    asked = Asked(*limits)

    assert asked.of().refusal is None
    refusal = asked.of().refusal

    assert (refusal.found, refusal.reason) == (Found.OVER_QUOTA, FailureReason.RATE)
    assert whose in refusal.detail


def test_what_the_relay_let_go_is_given_back_when_the_tenant_may_not():
    asked = Asked(per_day(4), per_day(2))
    asked.of()
    assert asked.of().refusal is not None

    assert asked.gate.allowance.spend(2)


def test_what_was_not_sent_is_given_back():
    asked = Asked(per_day(2), per_day(2))

    asked.of().give_back()

    assert asked.of().refusal is None
    assert asked.of().refusal is not None


def test_what_the_relay_let_go_is_given_back_when_the_store_fails():
    asked = Asked(per_day(2), per_day(2))
    spend = asked.gear.quotas.spend

    def failing(quota, count):
        if quota.scope.startswith("tenant"):
            raise NotReady("away")
        return spend(quota, count)

    asked.gear.quotas.spend = failing
    with pytest.raises(NotReady):
        asked.of()
    asked.gear.quotas.spend = spend

    assert asked.of().refusal is None
