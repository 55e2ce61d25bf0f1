from __future__ import annotations

import pytest
from postroom_server.delivery.starts import Start, Starts
from postroom_server.delivery.tenant_gates import TenantGates
from postroom_server.domain.errors import Overloaded, RateLimited
from postroom_server.domain.pacing import NO_LIMITS, Limits
from postroom_server.domain.submission import Completion

from tests.support.builders import a_delivery
from tests.support.clocks import FakeClock
from tests.support.gates import a_gate, a_gear

ONE_A_MINUTE = Limits(max_per_second=1 / 60, burst=1)


def starts(*, relay=NO_LIMITS, tenant=NO_LIMITS) -> Starts:
    """What decides where each of the limits was used up by one mail."""
    gear = a_gear(FakeClock(1_700_006_400_000_000))
    gate, tenants = a_gate(gear, limits=relay), TenantGates({"default": tenant}, gear)
    gate.take(1, 0)
    tenants.take("default", 1)
    return Starts({"main": gate}, tenants)


@pytest.mark.parametrize("patience", [10.0, 0.0, -0.2])
def test_without_limits_nobody_is_told_of_one_however_late_it_is(patience):
    asked = (a_delivery(), Completion.RELAYED, patience, 0)

    assert starts().of(*asked) is Start.NOW


@pytest.mark.parametrize("patience", [10.0, -0.2])
def test_a_limit_that_is_in_the_way_is_told(patience):
    asked = (a_delivery(), Completion.RELAYED, patience, 0)

    with pytest.raises(RateLimited):
        starts(tenant=ONE_A_MINUTE).of(*asked)
    with pytest.raises(Overloaded):
        starts(relay=ONE_A_MINUTE).of(*asked)
