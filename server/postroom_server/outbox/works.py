"""Accepting, saving and remembering, as work for the committer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from postroom_server.domain.clock import Instant
from postroom_server.domain.transitions import Change
from postroom_server.domain.values import value
from postroom_server.outbox.content import WITH_FILES, encode_content
from postroom_server.outbox.rows import (
    Rows,
    counter_rows,
    request_row,
    rows_of_change,
    rows_of_new,
)
from postroom_server.outbox.statements import Connection, Row, statement, write_rows
from postroom_server.outbox.store import Content, RequestRecord
from postroom_server.outbox.work import Work, Written

_LONG_AGO = Instant(0)

REMOVALS = (
    "remove_content",
    "remove_content_files",
    "remove_attempts",
    "remove_events",
    "remove_recipients",
    "remove_labels",
    "remove_due",
    "remove_delivery",
)


class UseOnce(Work[RequestRecord | None]):
    """What is stored unless its request id was used before; then that use's record."""

    adds = True

    def __init__(self, rows: Rows, request: RequestRecord | None, now: Instant) -> None:
        super().__init__(rows)
        if request is not None:
            self.rows["add_request"] = [request_row(request)]
        self._request = request
        self._now = now

    def perform(self, _connection: Connection, /) -> None:
        """Its row is all."""

    def make_room(self, connection: Connection, /) -> None:
        make_room_for(connection, self._request, self._now)

    def refused(
        self, connection: Connection, error: Exception, /
    ) -> RequestRecord | None:
        return used_before(connection, self._request, self._now, error)


class Remember(UseOnce):
    """Use a request id, and no more."""

    def __init__(self, request: RequestRecord, now: Instant) -> None:
        super().__init__({}, request, now)
        self._forget = Forget(request)

    def undone(self, result: RequestRecord | None, /) -> Sequence[Work[Any]]:
        return [self._forget] if result is None else ()


@value(frozen=True, slots=True)
class Times:
    """When a delivery is accepted, and until when its *blobs*, those that it names by
    their digests, are kept for others.
    """

    now: Instant
    blobs_until: Instant
    blobs: frozenset[str] = frozenset()


class Accept(UseOnce):
    """Store a new delivery."""

    def __init__(
        self,
        change: Change,
        content: Content,
        request: RequestRecord | None,
        times: Times,
    ) -> None:
        form, data = encode_content(content)
        rows = rows_of_new(change, (form, data))
        super().__init__(rows, request, times.now)
        if form == WITH_FILES:
            self._add_files(change, content, times)
        self.size = len(data)
        self._change = change

    def _add_files(self, change: Change, content: Content, times: Times) -> None:
        accepted = change.after
        if files := {octets.sha256 for octets in content.message.stored}:
            self.rows["add_content_file"] = [(accepted.id, sha256) for sha256 in files]
        if times.blobs:
            # A blob lasts from the last mail that referred to it.
            self.rows["keep_blob"] = [
                (accepted.tenant, sha256, times.blobs_until, times.now)
                for sha256 in times.blobs
            ]

    def undone(self, result: RequestRecord | None, /) -> Sequence[Work[Any]]:
        return [Withdraw(self._change, self._request)] if result is None else ()


class Save(Work[bool]):
    """Store a change; False if the delivery is not what it was made from."""

    def __init__(
        self,
        change: Change,
        request: RequestRecord | None = None,
        now: Instant = _LONG_AGO,
    ) -> None:
        super().__init__(rows_of_change(change))
        if request is not None:
            self.rows["add_request"] = [request_row(request)]
        self._change = change
        self._request = request
        self._now = now

    def forgetting(self) -> Save:
        """The same, and the request id that made the delivery becomes free."""
        made = self._change.before
        self.rows["drop_request"] = [(made.tenant, made.request_id, made.id)]
        return self

    def perform(self, _connection: Connection, /) -> bool:
        """Its rows are all."""
        return True

    def make_room(self, connection: Connection, /) -> None:
        make_room_for(connection, self._request, self._now)

    def refused(self, connection: Connection, error: Exception, /) -> bool:
        after = self._change.after
        row = connection.execute(statement("stored_delivery"), (after.id,)).fetchone()
        document = self.rows["change_delivery"][0][-1]
        if row == (after.version, document):
            # A caller who was not told of its commit asks again.
            return True
        if row is None or row[0] != self._change.before.version:
            return False
        if self._request and find_request(connection, self._request, self._now):
            return False
        raise error


class Forget(Written):
    """Free a request id again."""

    def __init__(self, request: RequestRecord) -> None:
        super().__init__({"drop_request": [made_key(request)]})


class Withdraw(Work[None]):
    """Remove a delivery as if it had never been accepted, if nobody touched it."""

    def __init__(self, change: Change, request: RequestRecord | None) -> None:
        super().__init__()
        self._change = change
        self._request = request

    def perform(self, connection: Connection, /) -> None:
        delivery = self._change.after
        found = connection.execute(statement("stored_delivery"), (delivery.id,))
        row = found.fetchone()
        if row is None or row[0] != delivery.version:
            return
        for name in REMOVALS:
            write_rows(connection, name, [(delivery.id,)])
        taken = counter_rows(delivery, self._change.counters, sign=-1)
        write_rows(connection, "add_counter", taken)
        if self._request is not None:
            write_rows(connection, "drop_request", [made_key(self._request)])


def made_key(request: RequestRecord) -> Row:
    """What tells *request* from a later use of its id."""
    return (request.tenant, request.request_id, request.delivery_id)


def find_request(
    connection: Connection, request: RequestRecord, now: Instant
) -> RequestRecord | None:
    """The record under the id of *request*, unless it has expired."""
    key = (request.tenant, request.request_id, now)
    row = connection.execute(statement("request"), key).fetchone()
    return None if row is None else record_in(row)


def record_in(row: tuple[Any, ...]) -> RequestRecord:
    """A row of the table `request`."""
    tenant, request_id, method, fingerprint, delivery_id, expires_at = row
    return RequestRecord(
        tenant=tenant,
        request_id=request_id,
        method=method,
        fingerprint=fingerprint,
        delivery_id=delivery_id,
        expires_at=expires_at,
    )


def make_room_for(
    connection: Connection, request: RequestRecord | None, now: Instant
) -> None:
    """Remove an expired record under the id of *request*."""
    if request is not None:
        key = (request.tenant, request.request_id, now)
        connection.execute(statement("expire_request"), key)


def used_before(
    connection: Connection,
    request: RequestRecord | None,
    now: Instant,
    error: Exception,
) -> RequestRecord:
    """The record that stood in the way; if none did, *error* is raised."""
    found = None if request is None else find_request(connection, request, now)
    if found is None:
        raise error
    return found
