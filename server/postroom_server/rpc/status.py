"""What a refused caller gets: code, text and trailers, small enough to arrive.

Clients drop a call's trailers above 8 KiB, and the real error with them, so all details
together stay below 4 KiB: the problems of a request are listed until the space is used,
and metadata "omitted" counts the rest.  Every text is made printable, since parts of it
came from the caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from google.protobuf.message import Message
from google.rpc import error_details_pb2 as rich
from google.rpc import status_pb2
from grpc import StatusCode

from postroom_server.domain.errors import (
    InvalidRequestError,
    PostroomError,
    Problem,
)
from postroom_server.domain.text import printable
from postroom_server.rpc.errors import NAME_LIMIT, TEXT_LIMIT, row_of

DOMAIN = "postroom"
DETAILS_LIMIT = 4096
"""Octets of the serialised `google.rpc.Status`, all details included."""
REQUEST_ID_KEY = "x-request-id"
DETAILS_KEY = "grpc-status-details-bin"
PUSHBACK_KEY = "grpc-retry-pushback-ms"

_METADATA_ENTRIES = 8
_DESCRIPTION_LIMIT = 256
# Framing of one violation in its BadRequest, and of BadRequest in its Any.
_VIOLATION_FRAME = 4
_BAD_REQUEST_FRAME = 96

Trailers = tuple[tuple[str, str | bytes], ...]


@dataclass(frozen=True, slots=True)
class RichStatus:
    """An error as it goes out; *trailers* hold all that goes beside code and text."""

    code: StatusCode
    text: str
    reason: str
    trailers: Trailers


def ok_trailers(request_id: str) -> Trailers:
    """The trailers of every call, refused or not."""
    return ((REQUEST_ID_KEY, request_id),)


def status_of(error: PostroomError, request_id: str) -> RichStatus:
    """*error* as the caller of *request_id* gets it."""
    row = row_of(error)
    text = printable(error.message, TEXT_LIMIT)
    status = status_pb2.Status(code=row.code.value[0], message=text)
    if error.reason:
        _add_details(status, error, request_id)
    pushback = row.pushback(error)
    trailers: Trailers = (
        *ok_trailers(request_id),
        (DETAILS_KEY, status.SerializeToString()),
    )
    if pushback is not None:
        trailers = (*trailers, (PUSHBACK_KEY, str(pushback)))
    return RichStatus(row.code, text, error.reason, trailers)


def _add_details(
    status: status_pb2.Status, error: PostroomError, request_id: str
) -> None:
    facts = {**metadata_of(error), "request_id": request_id}
    info = rich.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=facts)
    others: Sequence[Message] = row_of(error).details(error)
    if isinstance(error, InvalidRequestError):
        room = (
            DETAILS_LIMIT - status.ByteSize() - info.ByteSize() - 2 * _BAD_REQUEST_FRAME
        )
        bad_request, omitted = _bad_request(error.problems, room)
        others = (*others, bad_request)
        if omitted:
            info.metadata["omitted"] = str(omitted)
    for detail in (info, *others):
        status.details.add().Pack(detail)


def metadata_of(error: PostroomError) -> dict[str, str]:
    """The variables of *error*, fit to be shown."""
    entries = list(error.metadata.items())[:_METADATA_ENTRIES]
    return {
        printable(key, NAME_LIMIT // 2): printable(str(value), NAME_LIMIT)
        for key, value in entries
    }


def _bad_request(problems: Sequence[Problem], room: int) -> tuple[rich.BadRequest, int]:
    """As many of *problems* as *room* octets hold, and how many are left out."""
    bad_request = rich.BadRequest()
    for listed, problem in enumerate(problems):
        violation = rich.BadRequest.FieldViolation(
            field=printable(problem.field, NAME_LIMIT),
            description=printable(problem.description, _DESCRIPTION_LIMIT),
        )
        room -= violation.ByteSize() + _VIOLATION_FRAME
        if room < 0:
            return bad_request, len(problems) - listed
        bad_request.field_violations.append(violation)
    return bad_request, 0
