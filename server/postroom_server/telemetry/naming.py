"""Which delivery a thread is at work on: everything that it logs names it.

One variable holds all of it, and the names are made when something is logged: most
deliveries log nothing while they are under way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token

from structlog.typing import EventDict, WrappedLogger

from postroom_server.domain.delivery import Delivery

Named = Token[Delivery | None]
_under_way: ContextVar[Delivery | None] = ContextVar("delivery", default=None)


name: Callable[[Delivery], Named] = _under_way.set
"""Name a delivery in all that is logged here until `unname`."""

unname: Callable[[Named], None] = _under_way.reset
"""Name what was named before."""


def identity(delivery: Delivery) -> dict[str, object]:
    """By what *delivery* is known, in every event about it."""
    return facts(
        {
            "delivery": delivery.id,
            "relay": delivery.relay,
            "tenant": delivery.tenant,
            "request_id": delivery.request_id,
        }
    )


def facts(told: Mapping[str, object]) -> dict[str, object]:
    """Those of the facts *told* that there are."""
    return {key: fact for key, fact in told.items() if fact != ""}


def add_delivery(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Put in the delivery under way, where *event* does not name one itself.

    A processor, to come before the one that merges what the call is known by.
    """
    delivery = _under_way.get()
    if delivery is None:
        return event
    traced = facts({"trace_id": delivery.trace_id})
    return {**identity(delivery), **traced, **event}
