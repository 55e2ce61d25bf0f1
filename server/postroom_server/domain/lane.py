"""Which mail waits behind which.

Deliveries of one relay, tenant and priority wait in one lane, those that were tried
before in another: who may go next is decided among lanes, so that no tenant, no bulk
mail and no storm of retries stands in the way of the others.  Within a lane, what is
due first goes first.
"""

from __future__ import annotations

from postroom_server.domain.submission import Priority
from postroom_server.domain.values import value


@value(frozen=True, slots=True, kw_only=True)
class LaneKey:
    """What names a lane of a relay; *retries*: of deliveries that were tried before."""

    tenant: str
    priority: Priority = Priority.NORMAL
    retries: bool = False
