"""What became of one mail among many: the answer to it, or why there is none.

An `ItemError` stands for the error that SendMessage would have ended with: the same
code, reason and words, of the one table in `rpc.errors`.
"""

from __future__ import annotations

from postroom.v1 import error_reason_pb2, send_pb2

from postroom_server.delivery.sending import Answer
from postroom_server.domain.errors import (
    BusyError,
    InvalidRequestError,
    PostroomError,
    Problem,
)
from postroom_server.domain.text import printable
from postroom_server.rpc.convert.results import result_fields
from postroom_server.rpc.convert.times import Fields, duration
from postroom_server.rpc.errors import NAME_LIMIT, TEXT_LIMIT, row_of
from postroom_server.rpc.status import metadata_of

MOST_VIOLATIONS = 50
"""Problems of one item that are told; the others are counted."""
_DESCRIPTION_LIMIT = 256

Told = Answer | send_pb2.ValidationReport | PostroomError
"""What an item is answered with."""


def item_outcome(
    index: int, key: str, told: Told, *, with_attempts: bool = True
) -> Fields:
    """The `ItemOutcome` of item *index*, whose caller knows it as *key*."""
    match told:
        case Answer(delivery, replayed):
            result = result_fields(
                delivery, replayed=replayed, with_attempts=with_attempts
            )
            return {"index": index, "key": key, "result": result}
        case PostroomError():
            return {"index": index, "key": key, "error": item_error(told)}
        case _:
            return {"index": index, "key": key, "validation": told}


def item_error(error: PostroomError) -> error_reason_pb2.ItemError:
    """Why nothing was sent."""
    code: int = row_of(error).code.value[0]
    told = error_reason_pb2.ItemError(
        code=code,
        reason=error_reason_pb2.ErrorReason.Value(f"ERROR_REASON_{error.reason}"),
        message=printable(error.message, TEXT_LIMIT),
        metadata=metadata_of(error),
    )
    if isinstance(error, InvalidRequestError):
        listed = error.problems[:MOST_VIOLATIONS]
        told.violations.extend(map(_violation, listed))
        told.violations_omitted = len(error.problems) - len(listed)
    if isinstance(error, BusyError):
        told.retry_delay.CopyFrom(duration(max(0.0, error.retry_after)))
    return told


def _violation(problem: Problem) -> error_reason_pb2.FieldViolation:
    return error_reason_pb2.FieldViolation(
        field=printable(problem.field, NAME_LIMIT),
        description=printable(problem.description, _DESCRIPTION_LIMIT),
    )
