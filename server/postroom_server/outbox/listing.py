"""Lists of deliveries: the SQL for the conditions of a query.

Only conditions that were asked for are in the statement, so that SQLite can choose an
index by them; values are always bound.  Whatever is asked for, rows are read in the
order of the list and only until the page is full; a list by a final status that is rare
reads on through the tenant's deliveries until it finds enough.

Of several conditions that have an index each (recipient, tag, pairs, a status that is
not final) the list is read from the one that holds the fewest, as far as counting a
few tells.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from postroom_server.outbox.label_keys import keys_of
from postroom_server.outbox.statements import Connection, statement
from postroom_server.outbox.store import DeliveryQuery

COUNTED = 1000
"""Rows of an index that are counted: of more, all are taken for the same."""
_LATEST = 2**63 - 1

Condition = tuple[str, tuple[object, ...]]
Statement = tuple[str, tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class _Source:
    """Where the rows of a list come from: the query, and its columns for the order.

    *tenant* has a plus where another index is the better choice: it hides the column
    from SQLite's.
    """

    query: str
    tenant: str = "d.tenant"
    accepted_at: str = "d.accepted_at"
    id: str = "d.id"


@dataclass(frozen=True, slots=True)
class Index:
    """A condition with an index in the order of the list, and the value looked for."""

    table: str
    key: object


_ALL = _Source("deliveries")
_KEYED = ("k.tenant", "k.accepted_at", "k.delivery")
_SOURCES = {
    "live": _Source("deliveries", tenant="+d.tenant"),
    "label": _Source("deliveries_of_label", *_KEYED),
    "recipient": _Source("deliveries_of_recipient", *_KEYED),
}


def indexes(query: DeliveryQuery) -> tuple[Index, ...]:
    """The conditions of *query* that a list can be read from."""
    return (*_keyed(query), *_live(query))


def narrowest(connection: Connection, query: DeliveryQuery) -> Index | None:
    """Which of `indexes` to read the list of *query* from; None: another one."""
    found = indexes(query)
    # Of one Message-ID there are few.
    if not found or query.message_id:
        return None
    if len(found) == 1:
        return found[0]
    return min(found, key=lambda index: _count(connection, index, query))


def listing(query: DeliveryQuery, first: Index | None) -> Statement:
    """The statement that answers *query*, newest acceptance first, and its values.

    The list is read from *first*, one of `indexes`.
    """
    source = _SOURCES[first.table] if first else _ALL
    conditions = [
        (f"{source.tenant} = ?", (query.tenant,)),
        *_key_conditions(query, source, first),
        *_conditions(query),
        *([("d.settled_at IS NULL", ())] if source is _SOURCES["live"] else []),
        *_time_conditions(query, source),
    ]
    where = " AND ".join(sql for sql, _ in conditions)
    values = tuple(value for _, bound in conditions for value in bound)
    order = f"ORDER BY {source.accepted_at} DESC, {source.id} DESC LIMIT ?"
    sql = f"{statement(source.query)} WHERE {where} {order}"
    return sql, (*values, query.limit)


def _keyed(query: DeliveryQuery) -> Iterator[Index]:
    for key in keys_of((query.tag,) if query.tag else (), query.metadata):
        yield Index("label", key)
    if query.recipient:
        yield Index("recipient", query.recipient)


def _live(query: DeliveryQuery) -> Iterator[Index]:
    # Of one status that is not final there is an index in the order of the list.
    if len(query.statuses) == 1 and not any(s.is_final for s in query.statuses):
        yield Index("live", *map(int, query.statuses))


def _count(connection: Connection, index: Index, query: DeliveryQuery) -> int:
    values = {
        "tenant": query.tenant,
        "key": index.key,
        "from": query.accepted_from or 0,
        "before": min(
            _LATEST if query.accepted_before is None else query.accepted_before,
            query.before[0] + 1 if query.before else _LATEST,
        ),
        "most": COUNTED,
    }
    sql = statement(f"count_{index.table}")
    ((count,),) = connection.execute(sql, values).fetchall()
    return int(count)


def _key_conditions(
    query: DeliveryQuery, source: _Source, first: Index | None
) -> Iterator[Condition]:
    for index in _keyed(query):
        if index == first:
            yield "k.key = ?", (index.key,)
            continue
        same = f"(o.accepted_at, o.delivery) = ({source.accepted_at}, {source.id})"
        beside = f"EXISTS ({statement(f'of_{index.table}')} AND {same})"
        yield beside, (query.tenant, index.key)


def _conditions(query: DeliveryQuery) -> Iterator[Condition]:
    if query.statuses:
        marks = ", ".join("?" * len(query.statuses))
        yield f"d.status IN ({marks})", tuple(int(s) for s in query.statuses)
    if query.relay:
        yield "d.relay = ?", (query.relay,)
    if query.message_id:
        yield "d.message_id = ?", (query.message_id,)


def _time_conditions(query: DeliveryQuery, source: _Source) -> Iterator[Condition]:
    if query.accepted_from is not None:
        yield f"{source.accepted_at} >= ?", (query.accepted_from,)
    if query.accepted_before is not None:
        yield f"{source.accepted_at} < ?", (query.accepted_before,)
    if query.before is not None:
        yield f"({source.accepted_at}, {source.id}) < (?, ?)", query.before
