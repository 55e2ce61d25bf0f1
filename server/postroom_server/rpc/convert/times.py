"""Times and durations of the contract: `Timestamp` <-> Instant, `Duration` <-> seconds.

Both protobuf types can hold values that mean nothing (negative nanos, a year 10000);
they are refused with the path of the field.  What is finer than a microsecond is cut
off from a time.  No `datetime` on the way: it costs more than all else here.

What is part of a larger answer is given as `Fields`: made on its own and copied into
the whole, a message costs two to three times as much.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from postroom_server.domain.clock import MICROSECONDS, Instant
from postroom_server.domain.errors import InvalidArgument, Problem

Fields: TypeAlias = Any
"""The fields of a message by name, which stand for it where it is a part of another;
None, which leaves it unset."""

NANOS = 1_000_000_000
# google/protobuf/timestamp.proto: 0001-01-01T00:00:00Z to the end of the year 9999.
EARLIEST = -62_135_596_800
LATEST = 253_402_300_799
# google/protobuf/duration.proto: ten thousand years.
LONGEST = 315_576_000_000


def instant_of(stamp: Timestamp, path: str) -> Instant:
    """The instant that *stamp* is; raises `InvalidArgument` for the field *path*."""
    seconds, nanos = stamp.seconds, stamp.nanos
    if not (EARLIEST <= seconds <= LATEST and 0 <= nanos < NANOS):
        raise InvalidArgument([Problem(path, "is no time of the years 1 to 9999")])
    return Instant(seconds * MICROSECONDS + nanos // 1000)


def seconds_of(duration: Duration, path: str) -> float:
    """The seconds that *duration* lasts; raises `InvalidArgument` as `instant_of`."""
    seconds, nanos = duration.seconds, duration.nanos
    if not (0 <= seconds <= LONGEST and 0 <= nanos < NANOS):
        raise InvalidArgument([Problem(path, "is no duration of 0 s or more")])
    return seconds + nanos / NANOS


def timestamp(instant: Instant) -> Timestamp:
    """*instant* as the contract has it."""
    return Timestamp(**timestamp_fields(instant))


def timestamp_fields(instant: Instant) -> Fields:
    """The fields of `timestamp`."""
    seconds, micros = divmod(instant, MICROSECONDS)
    return {"seconds": seconds, "nanos": micros * 1000}


def timestamp_if(instant: Instant | None) -> Fields:
    """The fields of *instant*, or None, which leaves the field unset."""
    return None if instant is None else timestamp_fields(instant)


def duration(seconds: float) -> Duration:
    """*seconds* as the contract has it; what is below 0 counts as 0."""
    return Duration(**duration_fields(seconds))


def duration_fields(seconds: float) -> Fields:
    """The fields of `duration`."""
    whole, nanos = divmod(max(0, round(seconds * NANOS)), NANOS)
    return {"seconds": whole, "nanos": nanos}
