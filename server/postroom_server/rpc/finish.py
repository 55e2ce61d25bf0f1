"""How a call ends: its trailers are sent, and observers are told."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import grpc
import structlog

from postroom_server.domain.clock import Clock
from postroom_server.domain.errors import InternalError, PostroomError
from postroom_server.rpc.access_log import CallRecord, Observer
from postroom_server.rpc.context import ARRIVED_AT, CallContext
from postroom_server.rpc.reading import CallerGone
from postroom_server.rpc.status import RichStatus, ok_trailers, status_of

_log = structlog.get_logger(__name__)


def error_for(error: BaseException, request_id: str) -> PostroomError:
    """What the caller is told of *error*.

    What is no error of ours is a bug: the caller gets an incident id, the log the
    rest.  That holds for `SystemExit` too, which gRPC would leave unanswered.
    """
    if isinstance(error, PostroomError):
        return error
    incident = uuid.uuid4().hex
    _log.error("rpc.bug", incident=incident, request_id=request_id, exc_info=error)
    return InternalError(incident)


def status_for(error: BaseException, request_id: str) -> RichStatus:
    """The status that *error* ends a call with; see `error_for`."""
    return status_of(error_for(error, request_id), request_id)


@dataclass(slots=True)
class Ending:
    """One call's end; made when a thread begins to serve the call."""

    label: str
    clock: Clock
    observers: Sequence[Observer]
    arrived: float
    began: float

    @classmethod
    def of(cls, label: str, clock: Clock, observers: Sequence[Observer]) -> Ending:
        """The ending of the call that this thread serves."""
        now = clock.monotonic()
        return cls(label, clock, observers, ARRIVED_AT.get(now), now)

    def succeed(self, context: grpc.ServicerContext, call: CallContext) -> None:
        """The answer is about to be sent."""
        call.answered()
        context.set_trailing_metadata(ok_trailers(call.request_id))
        self._tell(call, "OK", "")

    def fail(
        self, context: grpc.ServicerContext, call: CallContext, error: BaseException
    ) -> NoReturn:
        """Refuse the call with the status of *error*."""
        call.answered()
        if isinstance(error, CallerGone):
            self._tell(call, "CANCELLED", error.reason)
            # Reaches nobody, and tells gRPC that we are done.
            context.abort(grpc.StatusCode.CANCELLED, "")
        status = status_for(error, call.request_id)
        self._tell(call, status.code.name, status.reason)
        context.set_trailing_metadata(status.trailers)
        context.abort(status.code, status.text)

    def left(self, call: CallContext, reason: str = "") -> None:
        """The caller is gone, and gRPC with it; *reason* if we saw to that."""
        call.answered()
        self._tell(call, "CANCELLED", reason)

    def _tell(self, call: CallContext, code: str, reason: str) -> None:
        record = CallRecord(
            method=self.label,
            code="CANCELLED" if call.left else code,
            reason=reason,
            request_id=call.request_id,
            trace_id=call.trace_id,
            tenant=call.caller.tenant if call.caller else "",
            credential=call.caller.name if call.caller else "",
            seconds=self.clock.monotonic() - self.arrived,
            queue_seconds=self.began - self.arrived,
        )
        for observer in self.observers:
            try:
                observer(record)
            except Exception:  # noqa: BLE001  watching must not change the call
                _log.exception("rpc.observer_failed", request_id=call.request_id)
