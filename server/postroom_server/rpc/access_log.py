"""One line for each finished call: what was asked, how it ended, how long it took.

Never the request, its addresses or the caller's: the method's name is one of ours (or
"unknown"), since a caller can invent paths without end.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple

import structlog

from postroom_server.telemetry.logs import is_heard

_log = structlog.get_logger(__name__)


class CallRecord(NamedTuple):
    """A call that has ended.

    *method* is "Service/Method" of our table, or "unknown"; *code* the gRPC code's
    name; *reason* that of `ErrorReason`, or what we ended the call for, or empty;
    *seconds* runs from the headers to the answer, *queue_seconds* is the part spent
    waiting for a thread.  *tenant* and *credential*, its name, are the caller's; empty
    where it is not known or has none.
    """

    method: str
    code: str
    reason: str
    request_id: str
    trace_id: str
    seconds: float
    queue_seconds: float
    tenant: str = ""
    credential: str = ""


Observer = Callable[[CallRecord], None]
"""Is told of each finished call, on the thread that served it."""


def log_call(record: CallRecord) -> None:
    """Write *record* to the log."""
    if not is_heard(_log, logging.INFO):
        return
    facts = {
        "method": record.method,
        "code": record.code,
        "reason": record.reason,
        "request_id": record.request_id,
        "trace_id": record.trace_id,
        "tenant": record.tenant,
        "credential": record.credential,
        "seconds": round(record.seconds, 6),
        "queue_seconds": round(record.queue_seconds, 6),
    }
    _log.info("rpc.call", **{name: fact for name, fact in facts.items() if fact != ""})
