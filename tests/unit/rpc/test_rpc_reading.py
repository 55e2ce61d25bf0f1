from __future__ import annotations

import grpc
import pytest
from postroom_server.domain.errors import MalformedRequest
from postroom_server.rpc.reading import SILENT, CallerGone, Reader
from postroom_server.rpc.watchdog import Lane, Watchdog

from tests.support.clocks import FakeClock


class Call:
    def cancel(self):
        pass


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def watchdog(clock):
    return Watchdog(clock)


@pytest.fixture
def reader(clock, watchdog):
    def read(messages):
        lane = Lane(20.0, 20.0, lambda: False)
        return Reader(iter(messages), Call(), watchdog, lane, clock.monotonic())

    return read


def test_the_one_message_is_read(reader):
    assert reader([b"one"]).only() == b"one"


def test_none_is_malformed(reader):
    with pytest.raises(MalformedRequest):
        reader([]).only()


def test_no_second_message_is_waited_for(reader):
    def messages():
        yield b"one"
        pytest.fail("the call has what it needs")

    assert reader(messages()).only() == b"one"


def test_a_stream_is_read_to_its_end(reader):
    stream = reader([b"one", b"two"])

    assert [stream.following() for _ in range(3)] == [b"one", b"two", None]


def test_a_caller_that_leaves_is_gone(reader):
    def leaving():
        raise grpc.RpcError
        yield

    with pytest.raises(CallerGone) as caught:
        reader(leaving()).only()

    assert caught.value.reason == ""


@pytest.mark.parametrize("end", [grpc.RpcError, StopIteration])
def test_a_caller_that_was_cut_off_is_silent_however_grpc_tells(
    reader, clock, watchdog, end
):
    class CutOff:
        def __iter__(self):
            return self

        def __next__(self):
            clock.advance(21)
            watchdog.sweep()
            raise end

    with pytest.raises(CallerGone) as caught:
        reader(CutOff()).only()

    assert caught.value.reason == SILENT
