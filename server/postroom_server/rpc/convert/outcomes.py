"""What became of one mail among many: the answer to it, or why there is none.

An `ItemError` stands for the error that SendMessage would have ended with: the same
code, reason and words, of the one table in `rpc.errors`.
"""

from __future__ import annotations

from postroom.v1 import error_reason_pb2, send_pb2
from postroom.v1 import send_stream_pb2 as wire

from postroom_server.delivery.sending import Answer
from postroom_server.domain.errors import (
    BusyError,
    InvalidRequestError,
    PostroomError,
    Problem,
)
from postroom_server.domain.text import printable
from postroom_server.rpc.convert.results import delivery_result
from postroom_server.rpc.convert.times import duration
from postroom_server.rpc.errors import NAME_LIMIT, TEXT_LIMIT, row_of
from postroom_server.rpc.status import metadata_of

MOST_VIOLATIONS = 50
_DESCRIPTION_LIMIT = 256

Told = Answer | send_pb2.ValidationReport | PostroomError
"""What an item is answered with."""


def item_outcome(
    index: int, key: str, told: Told, *, with_attempts: bool = True
) -> wire.ItemOutcome:
    """The answer to item *index*, whose caller knows it as *key*."""
    outcome = wire.ItemOutcome(index=index, key=key)
    match told:
        case Answer(delivery, replayed):
            result = delivery_result(
                delivery, replayed=replayed, with_attempts=with_attempts
            )
            outcome.result.CopyFrom(result)
        case PostroomError():
            outcome.error.CopyFrom(item_error(told))
        case _:
            outcome.validation.CopyFrom(told)
    return outcome


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
