"""A call as behaviours see it: who asks, until when, and whether they still listen.

The answer leaves before the caller's deadline, so that the caller gets our words and
not its library's: 250 ms before it, or a quarter of the time given if that is less.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from contextvars import ContextVar

import grpc
import structlog

from postroom_server.domain.noise import unguessable
from postroom_server.domain.principal import Principal
from postroom_server.rpc.access import CALLER, refused
from postroom_server.rpc.status import REQUEST_ID_KEY

MARGIN = 0.25
"""Seconds between our answer and the caller's deadline, at most."""
NO_DEADLINE = 1e9
"""gRPC reports some 9.2e18 s where the caller gave no deadline."""

ARRIVED_AT: ContextVar[float] = ContextVar("arrived_at")
"""Monotonic time at which the headers came; set by admission for each call."""

Facts = Mapping[str, str | bytes]
"""A call's metadata, by key."""
Leave = Callable[[], None]

_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,64}")
# W3C Trace Context §3.2.2: version, trace-id, parent-id, flags.
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?"
)
_log = structlog.get_logger(__name__)


class CallContext:
    """One call.  *limit* is the monotonic instant at which the answer must leave.

    *request_id* names the call in logs and trailers (metadata `x-request-id`, else
    made); it is not the idempotency key in the request.  *trace_id* is empty without
    a valid `traceparent`.  *caller* is who asks, None as long as that is not known.
    """

    def __init__(self, context: grpc.ServicerContext, limit: float = 0.0) -> None:
        facts = dict(context.invocation_metadata() or ())
        self.request_id = request_id_of(facts)
        self.trace_id = trace_id_of(facts)
        self.limit = limit
        self.caller = CALLER.get()
        self._context = context
        self._lock = threading.Lock()
        self._said_accepted = False
        self._answered = False
        self._leaves: list[Leave] = []
        self._left = False
        # It may be called before this goes on.
        if not context.add_callback(self._ended):
            self._left = True

    @property
    def principal(self) -> Principal:
        """Who asks.  Raises `CredentialRefused` where nobody looked who it is."""
        if self.caller is None:
            raise refused()
        return self.caller

    @property
    def left(self) -> bool:
        """Whether the caller cancelled, ran out of time, or lost its connection."""
        return self._left

    def time_remaining(self) -> float | None:
        """Seconds to the caller's deadline; None or huge where there is none."""
        return self._context.time_remaining()

    def accepted(self) -> None:
        """Tell the caller's library that we took responsibility.

        After this no gRPC library repeats the call by itself; before, it may.
        """
        with self._lock:
            if self._said_accepted:
                return
            self._said_accepted = True
        try:
            self._context.send_initial_metadata(())
        except grpc.RpcError:
            # The caller is gone; what was accepted stays accepted.
            return

    def on_leave(self, leave: Leave) -> None:
        """Call *leave* when the caller goes away; at once, if it has.

        It runs on gRPC's polling thread: it may set an event, and no more.
        """
        with self._lock:
            if not self._left:
                self._leaves.append(leave)
                return
        leave()

    def answered(self) -> None:
        """Nobody waits any more: what ends now is no leaving."""
        with self._lock:
            self._answered = True
            self._leaves.clear()

    def _ended(self) -> None:
        with self._lock:
            self._left = not self._answered
            leaves, self._leaves = self._leaves, []
        for leave in leaves:
            try:
                leave()
            except Exception:  # noqa: BLE001  one must not keep the others from it
                _log.exception("rpc.leave_failed", request_id=self.request_id)


def answer_by(remaining: float | None, now: float, arrived: float, cap: float) -> float:
    """When the answer must leave, by the monotonic clock.

    *remaining* is what is left of the caller's deadline, None or huge for none; *cap*
    is the longest that the method may take, in seconds from *now*.
    """
    if remaining is None or remaining > NO_DEADLINE:
        return now + cap
    given = remaining + (now - arrived)
    return now + min(remaining - min(MARGIN, given / 4), cap)


def request_id_of(facts: Facts) -> str:
    """The caller's id for the call where it is fit to be shown, else a new one."""
    given = facts.get(REQUEST_ID_KEY)
    if isinstance(given, str) and _REQUEST_ID.fullmatch(given):
        return given
    return unguessable(16).hex()


def trace_id_of(facts: Facts) -> str:
    """The trace that the call is part of: 32 hexadecimal digits, or empty."""
    given = facts.get("traceparent")
    found = _TRACEPARENT.fullmatch(given) if isinstance(given, str) else None
    return found[1] if found else ""
