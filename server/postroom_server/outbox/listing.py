"""Lists of deliveries: the SQL for the conditions of a query.

Only conditions that were asked for are in the statement, so that SQLite can choose an
index by them; values are always bound.
"""

from __future__ import annotations

from collections.abc import Iterator

from postroom_server.outbox.statements import statement
from postroom_server.outbox.store import DeliveryQuery

_ORDER = "ORDER BY accepted_at DESC, id DESC LIMIT ?"

Condition = tuple[str, tuple[object, ...]]


def listing(query: DeliveryQuery) -> tuple[str, tuple[object, ...]]:
    """The statement that answers *query*, newest acceptance first, and its values."""
    conditions = list(_conditions(query))
    where = " AND ".join(sql for sql, _ in conditions)
    values = tuple(value for _, bound in conditions for value in bound)
    sql = f"{statement('deliveries')} WHERE {where} {_ORDER}"
    return sql, (*values, query.limit)


def _conditions(query: DeliveryQuery) -> Iterator[Condition]:
    live = bool(query.statuses) and not any(s.is_final for s in query.statuses)
    # The plus hides the column from the choice of an index: a recipient's deliveries
    # are few, and so are live ones, beside all of a tenant's.
    narrowed = live or bool(query.recipient)
    yield "+tenant = ?" if narrowed else "tenant = ?", (query.tenant,)
    if query.statuses:
        marks = ", ".join("?" * len(query.statuses))
        yield f"status IN ({marks})", tuple(int(s) for s in query.statuses)
    if live:
        yield "settled_at IS NULL", ()
    if query.relay:
        yield "relay = ?", (query.relay,)
    if query.recipient:
        yield (
            "id IN (SELECT delivery FROM recipient WHERE tenant = ? AND key = ?)",
            (query.tenant, query.recipient),
        )
    if query.message_id:
        yield "message_id = ?", (query.message_id,)
    yield from _time_conditions(query)


def _time_conditions(query: DeliveryQuery) -> Iterator[Condition]:
    if query.accepted_from is not None:
        yield "accepted_at >= ?", (query.accepted_from,)
    if query.accepted_before is not None:
        yield "accepted_at < ?", (query.accepted_before,)
    if query.before is not None:
        yield "(accepted_at, id) < (?, ?)", query.before
