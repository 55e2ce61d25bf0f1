"""What makes a call idempotent: its request id, kept with what it was used for."""

from __future__ import annotations

from postroom_server.domain.clock import Instant, after
from postroom_server.domain.errors import RequestIdReused
from postroom_server.domain.limits import Limits
from postroom_server.domain.values import value
from postroom_server.outbox.store import RequestRecord


@value(frozen=True, slots=True)
class Use:
    """One use of a request id: by *method*, for what *fingerprint* stands for (32
    bytes), which made or changed the delivery of *delivery_id*.
    """

    method: str
    fingerprint: bytes
    delivery_id: str


def record_of(
    caller: tuple[str, str], use: Use, now: Instant, limits: Limits
) -> RequestRecord | None:
    """What to remember of *use* from *now* on; None for a call without a request id.

    *caller* is the tenant, and the request id or "".
    """
    tenant, request_id = caller
    if not request_id:
        return None
    return RequestRecord(
        tenant=tenant,
        request_id=request_id,
        method=use.method,
        fingerprint=use.fingerprint,
        delivery_id=use.delivery_id,
        expires_at=after(now, limits.request_id_retention),
    )


def refuse_another(used: RequestRecord, method: str, fingerprint: bytes) -> None:
    """Raise `RequestIdReused` unless *used* was for the same."""
    if (used.method, used.fingerprint) != (method, fingerprint):
        raise RequestIdReused(
            f'request_id "{used.request_id}" was used for another request '
            f"(deliveries/{used.delivery_id})",
            delivery=f"deliveries/{used.delivery_id}",
        )
