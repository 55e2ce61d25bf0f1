"""What a failed call means: gRPC's status and its details into our errors.

Pure.  An error that carries an `ErrorInfo` of domain "postroom" was made by the
service, which then sent nothing.  Any other was made on the way, and leaves that open;
its message says so, and what to do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from postroom import errors
from postroom._retry import Hint
from postroom.errors import ErrorDetails, PostroomError, Violation
from postroom.v1.error_reason_pb2 import ErrorReason, ItemError

DOMAIN = "postroom"
STATUS_DETAILS = "grpc-status-details-bin"
PUSHBACK = "grpc-retry-pushback-ms"

_OVERLOADED = frozenset({"OVERLOADED", "DRAINING", "NOT_READY"})
# Of ABORTED the one that asks for the call to be made again.
_TOO_SLOW = "SLOW_CONSUMER"
_KINDS: dict[str, type[PostroomError]] = {
    "INVALID_ARGUMENT": errors.InvalidRequest,
    "OUT_OF_RANGE": errors.InvalidRequest,
    "NOT_FOUND": errors.NotFound,
    "ALREADY_EXISTS": errors.Conflict,
    "ABORTED": errors.Conflict,
    "FAILED_PRECONDITION": errors.FailedPrecondition,
    "RESOURCE_EXHAUSTED": errors.ResourceExhausted,
    "UNAVAILABLE": errors.Unavailable,
    "DEADLINE_EXCEEDED": errors.DeadlineExceeded,
    "UNAUTHENTICATED": errors.Unauthenticated,
    "PERMISSION_DENIED": errors.PermissionDenied,
    "UNIMPLEMENTED": errors.Unimplemented,
    "INTERNAL": errors.InternalError,
    "UNKNOWN": errors.InternalError,
    "DATA_LOSS": errors.InternalError,
}
# How the library's words begin where no connection could be made.  The same causes
# end connections too, by which a request may have left.
_NEVER_LEFT = re.compile(
    "failed to connect to all addresses|DNS resolution failed", re.IGNORECASE
)
_HANDSHAKE = re.compile("handshake failed|Socket closed", re.IGNORECASE)
REFUSED = "connection refused"
# Why it could not, in the library's words and in ours.
_CAUSES = (
    (re.compile("Connection refused", re.IGNORECASE), REFUSED),
    (re.compile("No such file or directory", re.IGNORECASE), "no such socket"),
    (re.compile("DNS resolution failed", re.IGNORECASE), "the name does not resolve"),
    (re.compile("Network is unreachable", re.IGNORECASE), "network unreachable"),
    (re.compile("No route to host", re.IGNORECASE), "no route to it"),
    (re.compile("certificate has expired"), "its certificate has expired"),
    (re.compile("certificate is not yet valid"), "its certificate is not valid yet"),
    (
        re.compile("local issuer certificate|self.signed certificate"),
        "its certificate is of an authority that is not trusted here, see ca_file",
    ),
    (
        re.compile("Hostname Verification Check failed"),
        "its certificate is for another name",
    ),
    (re.compile("CERTIFICATE_VERIFY_FAILED"), "its certificate is not valid"),
    (re.compile("WRONG_VERSION_NUMBER"), "it does not speak TLS"),
    (
        re.compile("failed to connect to all addresses.*Socket closed"),
        "it hangs up at once: it may want TLS, or a client's certificate",
    ),
    (re.compile("connect(?:ion)? .*time", re.IGNORECASE), "no answer in time"),
)
_NAMED_BY = {"NOT_FOUND": "name", "PERMISSION_DENIED": "sender"}
"""The metadata with the name that an error is about."""

_REASON = "ERROR_REASON_"
_CODES: dict[int, str] = {code.value[0]: code.name for code in grpc.StatusCode}

Detail = TypeVar("Detail", bound=Message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """How a call ended, as the library tells it, or *by_us*."""

    code: str
    text: str
    trailers: tuple[tuple[str, str | bytes], ...] = ()
    by_us: bool = False


CLOSED = Failure(code="CANCELLED", text="the client was closed", by_us=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The call that failed; *request_id* is empty where it changes nothing.

    *in_doubt*: an attempt of it may have reached the service, which never answered.
    """

    target: str
    request_id: str = ""
    in_doubt: bool = False


def failure_of(error: Any, *, closed: bool) -> Failure:  # noqa: ANN401  gRPC has two kinds, alike
    """What the error of gRPC says, whichever of its clients raised it.

    It cancels the calls of a client that is *closed*.
    """
    if closed and error.code().name == CLOSED.code:
        return CLOSED
    return Failure(
        code=error.code().name,
        text=error.details() or "",
        trailers=tuple(error.trailing_metadata() or ()),
    )


def hint_of(failure: Failure) -> Hint:
    """What *failure* says about calling again."""
    pushback = _pushback(failure)
    retry_after = pushback if pushback is not None else _retry_delay(failure)
    never = pushback is not None and pushback < 0
    return Hint(
        unavailable=failure.code == "UNAVAILABLE"
        or _turned_away(failure)
        or _too_slow(failure),
        retry_after=None if never else retry_after,
        never=never,
    )


def leaves_doubt(failure: Failure) -> bool:
    """Whether the service may have taken the request in spite of *failure*."""
    return _our_info(failure) is None and has_left(failure)


def has_left(failure: Failure) -> bool:
    """Whether the service may have heard any of it."""
    return not _never_left(failure)


def is_refused(failure: Failure) -> bool:
    """Whether nobody listens at the address that was tried last."""
    return failure.code == "UNAVAILABLE" and _cause(failure.text) == REFUSED


def is_handshake(failure: Failure) -> bool:
    """Whether somebody listens, and the two could not agree how to talk."""
    return _never_left(failure) and bool(_HANDSHAKE.search(failure.text))


def error_of(failure: Failure, asked: Asked) -> PostroomError:
    """The error to raise for *failure*."""
    info = _our_info(failure)
    known = ErrorDetails(
        code=failure.code,
        reason=info.reason if info else "",
        metadata=dict(info.metadata) if info else {},
        request_id=asked.request_id,
        retry_after=hint_of(failure).retry_after,
        violations=tuple(_violations(failure)),
        nothing_sent=not asked.in_doubt,
    )
    kind = _KINDS.get(failure.code, PostroomError)
    if known.reason in _OVERLOADED:
        kind = errors.Overloaded
    elif _too_slow(failure) or _turned_away(failure):
        kind = errors.Unavailable
    text = (
        _told(failure, info) if info else _explained(failure, asked)
    ) or failure.code
    return kind(text + _advice(asked), known)


def error_of_item(told: ItemError, asked: Asked) -> PostroomError:
    """The error that one mail of many was answered with."""
    code = _CODES.get(told.code, "UNKNOWN")
    name = ErrorReason.Name(told.reason) if told.reason in ErrorReason.values() else ""
    known = ErrorDetails(
        code=code,
        reason=name.removeprefix(_REASON),
        metadata=dict(told.metadata),
        request_id=asked.request_id,
        retry_after=_seconds_of(told),
        violations=tuple(Violation(v.field, v.description) for v in told.violations),
        nothing_sent=not asked.in_doubt,
    )
    kind = _KINDS.get(code, PostroomError)
    if known.reason in _OVERLOADED:
        kind = errors.Overloaded
    about = told.metadata.get(_NAMED_BY.get(code, ""), "")
    text = f"{told.message}: {about}" if about else told.message
    return kind(text + _advice(asked), known)


def hint_of_item(told: ItemError) -> Hint:
    """What the error of one mail of many says about sending it again."""
    unavailable = _CODES.get(told.code) == "UNAVAILABLE"
    after = _seconds_of(told)
    return Hint(unavailable=unavailable, retry_after=after, never=after is None)


def _seconds_of(told: ItemError) -> float | None:
    if not told.HasField("retry_delay"):
        return None
    return float(told.retry_delay.seconds + told.retry_delay.nanos / 1e9)


def _told(failure: Failure, info: error_details_pb2.ErrorInfo) -> str:
    """The service's words, and the name that they are about."""
    name = info.metadata.get(_NAMED_BY.get(failure.code, ""), "")
    return f"{failure.text}: {name}" if name else failure.text


def _explained(failure: Failure, asked: Asked) -> str:
    """What happened on the way."""
    if failure.code == "UNAVAILABLE":
        return _unreachable(failure.text, asked.target)
    if _turned_away(failure):
        return f"the service at {asked.target} turned the call away"
    if failure.code == "DEADLINE_EXCEEDED":
        return f"no answer from {asked.target} in the time given"
    if failure.code == "UNIMPLEMENTED":
        return f"{asked.target} does not offer this: {failure.text}"
    return f"{asked.target}: {failure.text or failure.code}"


def _turned_away(failure: Failure) -> bool:
    """Whether the call was cancelled at the other end, which says no more.

    So a server of gRPC ends calls that reach it while it closes its port.
    """
    ours = failure.by_us or _our_info(failure) is not None
    return failure.code == "CANCELLED" and not ours


def _too_slow(failure: Failure) -> bool:
    """Whether a stream was cut off, and is to be opened anew."""
    info = _our_info(failure)
    return info is not None and info.reason == _TOO_SLOW


def _advice(asked: Asked) -> str:
    """What to do where it is not known whether the service took the request."""
    if not (asked.request_id and asked.in_doubt):
        return ""
    return (
        "; whether the request was taken is not known: repeat it with"
        f" request_id={asked.request_id!r}, which can't send anything twice"
    )


def _unreachable(text: str, target: str) -> str:
    cause = _cause(text)
    if cause:
        return f"no Postroom service at {target} ({cause})"
    return f"the connection to {target} failed: {text}"


def _never_left(failure: Failure) -> bool:
    return failure.code == "UNAVAILABLE" and bool(_NEVER_LEFT.match(failure.text))


def _cause(text: str) -> str | None:
    """Why no connection could be made, if that is what *text* says."""
    if not _NEVER_LEFT.match(text):
        return None
    return next((cause for pattern, cause in _CAUSES if pattern.search(text)), None)


def _our_info(failure: Failure) -> error_details_pb2.ErrorInfo | None:
    info = _find(_details(failure), error_details_pb2.ErrorInfo())
    return info if info and info.domain == DOMAIN else None


def _details(failure: Failure) -> status_pb2.Status:
    status = status_pb2.Status()
    for key, value in failure.trailers:
        if key == STATUS_DETAILS and isinstance(value, bytes):
            try:
                status.ParseFromString(value)
            except DecodeError:
                return status_pb2.Status()
    return status


def _find(status: status_pb2.Status, wanted: Detail) -> Detail | None:
    for detail in status.details:
        if detail.Is(wanted.DESCRIPTOR) and detail.Unpack(wanted):
            return wanted
    return None


def _violations(failure: Failure) -> Iterable[Violation]:
    found = _find(_details(failure), error_details_pb2.BadRequest())
    for violation in found.field_violations if found else ():
        yield Violation(violation.field, violation.description)


def _retry_delay(failure: Failure) -> float | None:
    found = _find(_details(failure), error_details_pb2.RetryInfo())
    if found is None or not found.HasField("retry_delay"):
        return None
    return float(found.retry_delay.seconds + found.retry_delay.nanos / 1e9)


def _pushback(failure: Failure) -> float | None:
    """Seconds from the trailer; what can't be read means never, as in gRFC A6."""
    for key, value in failure.trailers:
        if key == PUSHBACK:
            text = value.decode(errors="replace") if isinstance(value, bytes) else value
            return int(text) / 1000 if re.fullmatch(r"\d{1,9}", text) else -1.0
    return None
