"""The one table: which error has which status code, details and trailers.

Nothing else in the server names a status code for an error.  An error of ours carries
exactly one `google.rpc.ErrorInfo` of domain "postroom"; an unexpected exception has no
row and becomes an `InternalError`, whose text is fixed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2 as rich
from grpc import StatusCode

from postroom_server.domain import errors
from postroom_server.domain.text import printable

NAME_LIMIT = 128
"""Octets of a name or a field's path."""
TEXT_LIMIT = 512
"""Octets of a sentence."""


def _nothing(_error: object) -> Sequence[Message]:
    return ()


def _no_pushback(_error: object) -> int | None:
    return None


@dataclass(frozen=True, slots=True)
class Row:
    """An error on the wire: its code, its details beside ErrorInfo, and pushback.

    *pushback* is in milliseconds, -1 for never; None leaves the trailer out.
    """

    code: StatusCode
    details: Callable[[Any], Sequence[Message]] = _nothing
    pushback: Callable[[Any], int | None] = _no_pushback


def row_of(error: errors.PostroomError) -> Row:
    """The row of *error*'s class, or of the nearest class above that has one."""
    for kind in type(error).__mro__:
        if kind in TABLE:
            return TABLE[kind]
    return _BUG


def _resource(error: errors.NotFoundError) -> Sequence[Message]:
    return (
        rich.ResourceInfo(
            resource_type=error.kind,
            resource_name=printable(error.name, NAME_LIMIT),
            description=printable(error.message, TEXT_LIMIT),
        ),
    )


def _precondition(error: errors.PreconditionError) -> Sequence[Message]:
    violation = rich.PreconditionFailure.Violation(
        type=error.reason,
        subject=printable(error.subject, NAME_LIMIT),
        description=printable(error.message, TEXT_LIMIT),
    )
    return (rich.PreconditionFailure(violations=[violation]),)


def _store(error: errors.StoreFull) -> Sequence[Message]:
    violation = rich.QuotaFailure.Violation(
        subject="store", description=printable(error.message, TEXT_LIMIT)
    )
    return (rich.QuotaFailure(violations=[violation]),)


def _rate(error: errors.RateLimited) -> Sequence[Message]:
    return (*_quota(error), *_retry_info(error))


def _quota(error: errors.QuotaExceeded | errors.RateLimited) -> Sequence[Message]:
    violation = rich.QuotaFailure.Violation(
        subject=printable(error.subject, NAME_LIMIT),
        description=printable(error.message, TEXT_LIMIT),
    )
    return (rich.QuotaFailure(violations=[violation]),)


def _retry_info(error: errors.BusyError) -> Sequence[Message]:
    delay = Duration()
    delay.FromMilliseconds(_retry_milliseconds(error))
    return (rich.RetryInfo(retry_delay=delay),)


def _retry_milliseconds(error: errors.BusyError) -> int:
    return max(0, round(error.retry_after * 1000))


def _never(_error: errors.PostroomError) -> int:
    return -1


_INVALID = Row(StatusCode.INVALID_ARGUMENT)
_MISSING = Row(StatusCode.NOT_FOUND, _resource)
_FORBIDDEN = Row(StatusCode.PERMISSION_DENIED)
_UNTIMELY = Row(StatusCode.FAILED_PRECONDITION, _precondition)
# Only UNAVAILABLE is repeated by generic callers, so it alone means "not now".
_BUSY = Row(StatusCode.UNAVAILABLE, _retry_info, _retry_milliseconds)
_BUG = Row(StatusCode.INTERNAL)

TABLE: dict[type, Row] = {
    # The problems of an invalid request are added where the space is counted.
    errors.InvalidRequestError: _INVALID,
    errors.InvalidMessage: _INVALID,
    errors.InvalidArgument: _INVALID,
    errors.UnknownField: _INVALID,
    errors.MalformedRequest: _INVALID,
    errors.StreamProtocol: _INVALID,
    errors.ChecksumMismatch: _INVALID,
    errors.InvalidToken: _INVALID,
    errors.RequestIdReused: Row(StatusCode.ALREADY_EXISTS),
    errors.NotFoundError: _MISSING,
    errors.DeliveryNotFound: _MISSING,
    errors.RelayNotFound: _MISSING,
    errors.BlobNotFound: _MISSING,
    errors.SenderNotAllowed: _FORBIDDEN,
    errors.MethodNotAllowed: _FORBIDDEN,
    errors.CredentialRefused: Row(StatusCode.UNAUTHENTICATED),
    errors.RelayPaused: _UNTIMELY,
    errors.RateLimited: Row(StatusCode.RESOURCE_EXHAUSTED, _rate),
    errors.QuotaExceeded: Row(StatusCode.RESOURCE_EXHAUSTED, _quota, _never),
    errors.TooLate: _UNTIMELY,
    errors.NotRetryable: _UNTIMELY,
    errors.ContentPurged: _UNTIMELY,
    errors.NoDefaultRelay: _UNTIMELY,
    errors.StoreFull: Row(StatusCode.RESOURCE_EXHAUSTED, _store, _never),
    errors.Overloaded: _BUSY,
    errors.Draining: _BUSY,
    errors.NotReady: _BUSY,
    errors.DeadlinePassed: Row(StatusCode.DEADLINE_EXCEEDED),
    errors.CursorExpired: Row(StatusCode.OUT_OF_RANGE),
    errors.SlowConsumer: Row(StatusCode.ABORTED),
    errors.NotImplementedHere: Row(StatusCode.UNIMPLEMENTED),
    errors.InternalError: _BUG,
}
