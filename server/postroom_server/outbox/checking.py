"""Whether a store is sound: what must hold of its rows, whatever happened.

Nothing is changed.  All is looked at as of one moment, which the connection's
transaction keeps.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from postroom_server.domain.octets import StoredOctets
from postroom_server.outbox.content import decode_content
from postroom_server.outbox.records import UnreadableDelivery, delivery_in
from postroom_server.outbox.statements import Connection, statement

PAGE = 500
"""Rows of one read."""
RULES = {
    "check_content": "live deliveries have no content",
    "check_waiting": "waiting deliveries are never due",
    "check_due": "rows are due whose delivery does not wait there",
    "check_status": "deliveries have a status that contradicts their end",
    "check_contents_of_none": "contents are of no delivery",
    "check_attempts_of_none": "attempts are of no delivery",
    "check_files_of_none": "references to octets are of no delivery",
    "check_lists_of_none": "entries of lists are of no delivery",
    "check_events": "live deliveries have other events than were counted",
    "check_counters": "tenants have other deliveries than were counted",
}
"""The queries that must find nothing, and what they find."""

HasOctets = Callable[[str, int], bool]
"""Whether octets of that digest are there, of that size (0: of any)."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, how often, and one example: an id, a digest, or a tenant."""

    what: str
    count: int
    example: str = ""

    def __str__(self) -> str:
        example = f", such as {self.example}" if self.example else ""
        return f"{self.count} {self.what}{example}"


def findings(connection: Connection, has_octets: HasOctets) -> Iterator[Finding]:
    """All that is wrong in the store of *connection*."""
    for rule, what in RULES.items():
        yield from found_by(connection.execute(statement(rule)).fetchall(), what)
    yield from _unreadable(connection)
    referred = connection.execute(statement("check_octets")).fetchall()
    lost = [sha256 for sha256, size in referred if not has_octets(sha256, size)]
    yield from _told("octets are gone, or cut short", lost)


def found_by(rows: Iterable[tuple[int, str]], what: str) -> Iterator[Finding]:
    """What the one row of a rule's query says."""
    for count, example in rows:
        if count:
            yield Finding(what, count, str(example))


def _unreadable(connection: Connection) -> Iterator[Finding]:
    deliveries: list[str] = []
    contents: list[str] = []
    last = ""
    while rows := connection.execute(statement("check_rows"), (last, PAGE)).fetchall():
        for row in rows:
            try:
                delivery_in(row[:10])
            except UnreadableDelivery:
                deliveries.append(row[0])
            if row[11] is not None and decode_content(row[10], row[11], _found) is None:
                contents.append(row[0])
        last = rows[-1][0]
    yield from _told("deliveries can't be read", deliveries)
    yield from _told("contents can't be read", contents)


def _told(what: str, examples: list[str]) -> Iterator[Finding]:
    if examples:
        yield Finding(what, len(examples), examples[0])


def _found(sha256: str, size: int) -> StoredOctets:
    # Whether they are there is looked at by themselves.
    return StoredOctets(sha256, size, io.BytesIO)
