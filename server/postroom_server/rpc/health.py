"""grpc.health.v1: what is serving, for probes, balancers and watchers.

A watcher is told the latest value only: what it missed while it did not read is not
queued for it.  No lock is held while anything is sent, so a watcher that never reads
blocks neither `set` nor `Check` (it holds one thread of the watchers' own pool).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from google.protobuf.message import Message

from postroom_server.domain.errors import InvalidArgument, NotFoundError, Problem
from postroom_server.rpc import wire
from postroom_server.rpc.access import Access
from postroom_server.rpc.context import CallContext
from postroom_server.rpc.decode import decode
from postroom_server.rpc.methods import Behaviour, Method
from postroom_server.rpc.pools import PoolKind
from postroom_server.rpc.reading import CallerGone, Reader

SERVING = 1
NOT_SERVING = 2
SERVICE_UNKNOWN = 3
"""The numbers of `HealthCheckResponse.ServingStatus`."""

CHECK_LIMIT = 5.0
"""Seconds; both methods answer at once."""
LONGEST_NAME = 256
"""Characters of what is watched."""


class ServiceUnknown(NotFoundError):
    """Health of something that does not exist; the protocol's own NOT_FOUND."""

    kind = "service"


class HealthBoard:
    """Who serves: "" for the process, services by full name, "relays/{id}"."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._statuses: dict[str, int] = {"": SERVING}
        self._draining = False

    def set(self, service: str, serving: bool) -> None:  # noqa: FBT001  the value itself
        """Say whether *service* serves; without effect once `drain` was called."""
        with self._changed:
            if not self._draining:
                self._statuses[service] = SERVING if serving else NOT_SERVING
                self._changed.notify_all()

    def remove(self, service: str) -> None:
        """Forget *service*: it is unknown from now on."""
        with self._changed:
            self._statuses.pop(service, None)
            self._changed.notify_all()

    def drain(self) -> None:
        """Everything is NOT_SERVING, for good."""
        with self._changed:
            self._draining = True
            self._statuses = dict.fromkeys(self._statuses, NOT_SERVING)
            self._changed.notify_all()

    def status(self, service: str) -> int:
        """The status of *service*: SERVING, NOT_SERVING or SERVICE_UNKNOWN."""
        return self._statuses.get(service, SERVICE_UNKNOWN)

    def statuses(self) -> dict[str, int]:
        """All that is known."""
        with self._changed:
            return dict(self._statuses)

    def await_change(
        self, service: str, last: int | None, left: Callable[[], bool]
    ) -> int:
        """The status of *service* once it is not *last*, or once the watcher *left*."""
        with self._changed:
            self._changed.wait_for(lambda: self.status(service) != last or left())
            return self.status(service)

    def wake(self) -> None:
        """Let those who watch look whether they are still wanted."""
        with self._changed:
            self._changed.notify_all()


def health_methods(board: HealthBoard) -> tuple[Method, ...]:
    """The unary methods of grpc.health.v1."""

    def check(request: wire.Dynamic, _call: CallContext) -> wire.Dynamic:
        status = board.status(request.service)
        if status == SERVICE_UNKNOWN:
            raise ServiceUnknown(request.service)
        return wire.HealthCheckResponse(status=status)

    def list_all(_request: wire.Dynamic, _call: CallContext) -> wire.Dynamic:
        response = wire.HealthListResponse()
        for service, status in board.statuses().items():
            response.statuses[service].status = status
        return response

    return (
        _method("Check", wire.HealthCheckRequest, wire.HealthCheckResponse, check),
        _method("List", wire.HealthListRequest, wire.HealthListResponse, list_all),
    )


def _method(
    name: str, request: wire.Dynamic, response: wire.Dynamic, behaviour: Behaviour
) -> Method:
    path = f"/{wire.HEALTH}/{name}"
    return Method(
        path,
        PoolKind.HEALTH,
        CHECK_LIMIT,
        request,
        response,
        behaviour,
        Access.ANYONE,
        strict=False,
        gated=False,
    )


class HealthWatch:
    """grpc.health.v1.Health/Watch on *board*."""

    def __init__(self, board: HealthBoard) -> None:
        self._board = board

    def __call__(self, reader: Reader, call: CallContext) -> Iterator[Message]:
        """The status now and after each change, as long as the watcher stays."""
        request: wire.Dynamic = decode(
            wire.HealthCheckRequest, reader.only(), strict=False
        )
        if len(request.service) > LONGEST_NAME:
            # It would be held for as long as a stranger likes.
            text = f"has more than {LONGEST_NAME} characters"
            raise InvalidArgument([Problem("service", text)])
        call.on_leave(self._board.wake)
        last: int | None = None
        while True:
            last = self._board.await_change(request.service, last, lambda: call.left)
            if call.left:
                raise CallerGone
            yield wire.HealthCheckResponse(status=last)
