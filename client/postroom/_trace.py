"""The trace that a call belongs to, as W3C Trace Context §3.2 writes it.

What is no valid traceparent is not sent: a trace is no reason for a mail to fail, and
its text often comes from whoever called the caller.
"""

from __future__ import annotations

import re
import sys

KEY = "traceparent"
CALL_KEY = "x-request-id"
_CALL_ID = re.compile(r"[\x21-\x7e]{1,64}")
Metadata = tuple[tuple[str, str], ...]
# A version to come may add fields; so many characters of them fit in any header.
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
    r"(?:-[\x21-\x7e]{0,200})?"
)


def trace_metadata(given: str | None) -> Metadata:
    """The metadata that carries the trace *given*, or else OpenTelemetry's current."""
    parent = _current() if given is None else given
    return ((KEY, parent),) if _TRACEPARENT.fullmatch(parent) else ()


def call_metadata(request_id: str) -> Metadata:
    """The metadata that names a call in the service's log; its request id serves."""
    return ((CALL_KEY, request_id),) if _CALL_ID.fullmatch(request_id) else ()


def _current() -> str:
    """OpenTelemetry's current span, which only who has imported it can have."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return ""
    span = trace.get_current_span().get_span_context()
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}"
