"""What is wrong with the arguments of a call, gathered before anything is raised.

Each problem names its field by the path that the service would use.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from postroom.errors import ErrorDetails, InvalidRequest, Violation
from postroom.messages import Seconds
from postroom.words import Word

AnyWord = TypeVar("AnyWord", bound=Word)


class Problems:
    """The problems of one call."""

    def __init__(self) -> None:
        self._violations: list[Violation] = []

    def add(self, field: str, description: str) -> None:
        """Note that *field* has a problem."""
        self._violations.append(Violation(field, description))

    def raise_any(self) -> None:
        """Raise `InvalidRequest` with all problems, if there are any."""
        found = tuple(self._violations)
        if not found:
            return
        first = f"{found[0].field}: {found[0].description}"
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        details = ErrorDetails(violations=found, nothing_sent=True)
        raise InvalidRequest(first + more, details)

    def word(self, field: str, words: type[AnyWord], given: str | None) -> AnyWord:
        """*given* as one of *words*; UNSPECIFIED for None, and where it is none."""
        try:
            return words("UNSPECIFIED" if given is None else given)
        except ValueError:
            choice = ", ".join(word for word in words if word != "UNSPECIFIED")
            self.add(field, f"is not one of {choice}")
            return words("UNSPECIFIED")

    def instant(
        self, field: str, given: datetime | timedelta | None, now: datetime
    ) -> Timestamp | None:
        """*given*, a time or a span from *now*; without a zone it could be any time.

        Raises `TypeError` for what is neither.
        """
        if given is None:
            return None
        if not isinstance(given, datetime | timedelta):
            raise TypeError(
                f"{field}: give a datetime or a timedelta, not {type(given).__name__}"
            )
        try:
            instant = now + given if isinstance(given, timedelta) else given
        except OverflowError:
            self.add(field, "is beyond the end of the calendar")
            return None
        if instant.tzinfo is None:
            self.add(field, "has no time zone: give datetime.now(UTC) and the like")
            return None
        timestamp = Timestamp()
        timestamp.FromDatetime(instant.astimezone(UTC).replace(tzinfo=None))
        return timestamp


def duration(given: Seconds | None) -> Duration | None:
    """*given* as the contract has it."""
    if given is None:
        return None
    span = Duration()
    span.FromTimedelta(timedelta(seconds=in_seconds(given)))
    return span


def time_allowed(given: object) -> float:
    """*given* as the time that a call may take, in seconds.

    Raises `TypeError` and `ValueError` for what is none.
    """
    if not isinstance(given, int | float | timedelta):
        kind = type(given).__name__
        raise TypeError(f"timeout: give seconds or a timedelta, not {kind}")
    allowed = in_seconds(given)
    if not allowed >= 0:
        raise ValueError(f"timeout: {given} is no time to wait")
    return allowed


def in_seconds(given: Seconds) -> float:
    """*given* as a number of seconds."""
    return given.total_seconds() if isinstance(given, timedelta) else given
