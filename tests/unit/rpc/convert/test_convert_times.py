from __future__ import annotations

from datetime import UTC, datetime

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import example, given
from hypothesis import strategies as st
from postroom_server.domain.clock import Instant
from postroom_server.domain.errors import InvalidArgument
from postroom_server.rpc.convert.times import (
    EARLIEST,
    LATEST,
    LONGEST,
    NANOS,
    duration,
    instant_of,
    seconds_of,
    timestamp,
    timestamp_if,
)

instants = st.integers(EARLIEST * 10**6, LATEST * 10**6 + 999_999).map(Instant)
int64 = st.integers(-(2**63), 2**63 - 1)
int32 = st.integers(-(2**31), 2**31 - 1)


@given(instants)
@example(Instant(EARLIEST * 10**6))
@example(Instant(-1))
@example(Instant(0))
def test_an_instant_comes_back_from_the_wire(instant):
    assert instant_of(timestamp(instant), "at") == instant


@given(instants)
def test_a_timestamp_is_the_one_that_protobuf_makes(instant):
    expected = Timestamp()
    expected.FromMicroseconds(instant)

    assert timestamp(instant) == expected


def test_the_borders_are_those_of_the_years_1_and_9999():
    first = datetime(1, 1, 1, tzinfo=UTC)
    last = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)

    assert (first - epoch).total_seconds() == EARLIEST
    assert (last - epoch).total_seconds() == LATEST


@given(int64, int32)
@example(LATEST, NANOS - 1)
@example(LATEST + 1, 0)
@example(EARLIEST - 1, NANOS - 1)
@example(0, -1)
@example(0, NANOS)
@example(2**63 - 1, 0)
def test_a_time_is_read_exactly_when_it_is_one(seconds, nanos):
    stamp = Timestamp()
    stamp.seconds, stamp.nanos = seconds, nanos

    if EARLIEST <= seconds <= LATEST and 0 <= nanos < NANOS:
        assert instant_of(stamp, "at") == seconds * 10**6 + nanos // 1000
        return
    with pytest.raises(InvalidArgument) as caught:
        instant_of(stamp, "at")
    assert [p.field for p in caught.value.problems] == ["at"]


@given(int64, int32)
@example(LONGEST, 0)
@example(LONGEST + 1, 0)
@example(0, -1)
@example(-1, 0)
@example(0, NANOS)
def test_a_duration_is_read_exactly_when_it_is_one(seconds, nanos):
    given_ = Duration()
    given_.seconds, given_.nanos = seconds, nanos

    if 0 <= seconds <= LONGEST and 0 <= nanos < NANOS:
        assert seconds_of(given_, "wait") == pytest.approx(seconds + nanos / NANOS)
        return
    with pytest.raises(InvalidArgument) as caught:
        seconds_of(given_, "wait")
    assert [p.field for p in caught.value.problems] == ["wait"]


@given(st.floats(0, 10**6))
def test_a_duration_comes_back_to_the_nanosecond(seconds):
    assert seconds_of(duration(seconds), "wait") == pytest.approx(seconds, abs=1e-9)


@pytest.mark.parametrize("seconds", [0.1, 1.1, 5.0, 30.0, 86_400.0])
def test_what_people_write_comes_back_as_it_was(seconds):
    assert seconds_of(duration(seconds), "wait") == seconds


def test_a_duration_is_never_negative():
    assert duration(-0.5) == Duration()


def test_no_instant_leaves_the_field_unset():
    assert timestamp_if(None) is None
