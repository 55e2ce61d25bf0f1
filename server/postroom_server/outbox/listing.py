"""Lists of deliveries: the SQL for the conditions of a query.

Only conditions that were asked for are in the statement, so that SQLite can choose an
index by them; values are always bound.  Whatever is asked for, rows are read in the
order of the list and only until the page is full; a list by a final status that is rare
reads on through the tenant's deliveries until it finds enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from postroom_server.outbox.statements import statement
from postroom_server.outbox.store import DeliveryQuery

Condition = tuple[str, tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class _Source:
    """Where the rows of a list come from: the query, and its columns for the order.

    *tenant* has a plus where another index is the better choice: it hides the column
    from SQLite's.
    """

    query: str
    tenant: str = "tenant"
    accepted_at: str = "accepted_at"
    id: str = "id"


_ALL = _Source("deliveries")
_LIVE = _Source("deliveries", tenant="+tenant")
_OF_RECIPIENT = _Source(
    "deliveries_of_recipient", "r.tenant", "r.accepted_at", "r.delivery"
)


def listing(query: DeliveryQuery) -> tuple[str, tuple[object, ...]]:
    """The statement that answers *query*, newest acceptance first, and its values."""
    source = _source(query)
    conditions = [*_conditions(query, source), *_time_conditions(query, source)]
    where = " AND ".join(sql for sql, _ in conditions)
    values = tuple(value for _, bound in conditions for value in bound)
    order = f"ORDER BY {source.accepted_at} DESC, {source.id} DESC LIMIT ?"
    sql = f"{statement(source.query)} WHERE {where} {order}"
    return sql, (*values, query.limit)


def _source(query: DeliveryQuery) -> _Source:
    if query.recipient:
        return _OF_RECIPIENT
    # Of one status that is not final there is an index in the order of the list.
    one_live = len(query.statuses) == 1 and not any(s.is_final for s in query.statuses)
    return _LIVE if one_live else _ALL


def _conditions(query: DeliveryQuery, source: _Source) -> Iterator[Condition]:
    yield f"{source.tenant} = ?", (query.tenant,)
    if query.recipient:
        yield "r.key = ?", (query.recipient,)
    if query.statuses:
        marks = ", ".join("?" * len(query.statuses))
        yield f"status IN ({marks})", tuple(int(s) for s in query.statuses)
    if source is _LIVE:
        yield "settled_at IS NULL", ()
    if query.relay:
        yield "relay = ?", (query.relay,)
    if query.message_id:
        yield "message_id = ?", (query.message_id,)


def _time_conditions(query: DeliveryQuery, source: _Source) -> Iterator[Condition]:
    if query.accepted_from is not None:
        yield f"{source.accepted_at} >= ?", (query.accepted_from,)
    if query.accepted_before is not None:
        yield f"{source.accepted_at} < ?", (query.accepted_before,)
    if query.before is not None:
        yield f"({source.accepted_at}, {source.id}) < (?, ?)", query.before
