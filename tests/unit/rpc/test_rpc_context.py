from __future__ import annotations

import grpc
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from postroom_server.rpc.context import (
    CallContext,
    answer_by,
    request_id_of,
    trace_id_of,
)

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


class FakeGrpcContext:
    def __init__(self, metadata=(), *, ended=False, gone=False):
        self.metadata = metadata
        self.ended = ended
        self.gone = gone
        self.callbacks = []
        self.sent = []

    def invocation_metadata(self):
        return self.metadata

    def add_callback(self, callback):
        self.callbacks.append(callback)
        return not self.ended

    def send_initial_metadata(self, metadata):
        if self.gone:
            raise grpc.RpcError
        self.sent.append(metadata)

    def end(self):
        for callback in self.callbacks:
            callback()


@pytest.mark.parametrize(
    ("remaining", "arrived", "expected"),
    [
        (10.0, 100.0, 109.75),
        (0.4, 100.0, 100.3),
        (0.4, 99.4, 100.15),
        (9.2e18, 100.0, 130.0),
        (None, 100.0, 130.0),
        (60.0, 100.0, 130.0),
        (30.1, 100.0, 129.85),
        (0.0, 99.0, 99.75),
    ],
)
def test_the_answer_leaves_in_time(remaining, arrived, expected):
    assert answer_by(remaining, 100.0, arrived, 30.0) == pytest.approx(expected)


@given(st.floats(0.001, 1e6), st.floats(0, 100), st.floats(1, 1000))
def test_the_limit_is_before_the_deadline_and_within_the_cap(remaining, waited, cap):
    limit = answer_by(remaining, 1000.0, 1000.0 - waited, cap)

    assert limit < 1000.0 + remaining
    assert limit <= 1000.0 + cap
    assert limit >= 1000.0 + min(remaining - 0.2501, cap) - 1e-6


@pytest.mark.parametrize("given_id", ["a", "!~", "x" * 64])
def test_a_fit_request_id_is_kept(given_id):
    assert request_id_of({"x-request-id": given_id}) == given_id


@pytest.mark.parametrize(
    "given_id", ["", "a b", "x" * 65, "é", "a\n", "a\x1b[2J", "\x7f"]
)
def test_an_unfit_request_id_is_replaced(given_id):
    made = request_id_of({"x-request-id": given_id})

    assert made != given_id
    assert len(made) == 32


@pytest.mark.parametrize(
    ("traceparent", "expected"),
    [
        (f"00-{TRACE}-{PARENT}-01", TRACE),
        (f"01-{TRACE}-{PARENT}-01-more", TRACE),
        (f"ff-{TRACE}-{PARENT}-01", ""),
        (f"00-{'0' * 32}-{PARENT}-01", ""),
        (f"00-{TRACE}-{'0' * 16}-01", ""),
        (f"00-{TRACE.upper()}-{PARENT}-01", ""),
        (f"00-{TRACE}-{PARENT}", ""),
        (f"00-{TRACE}-{PARENT}-01\n", ""),
        ("", ""),
    ],
)
def test_a_trace_is_taken_only_from_a_valid_traceparent(traceparent, expected):
    assert trace_id_of({"traceparent": traceparent}) == expected


def test_binary_metadata_is_no_id():
    call = CallContext(FakeGrpcContext([("x-request-id", b"octets")]))

    assert len(call.request_id) == 32


def test_accepted_is_said_once():
    context = FakeGrpcContext()
    call = CallContext(context)
    call.accepted()
    call.accepted()

    assert context.sent == [()]


def test_accepting_for_a_caller_that_is_gone_is_no_error():
    CallContext(FakeGrpcContext(gone=True)).accepted()


def test_leaving_is_told_to_all_once_even_if_one_fails():
    context = FakeGrpcContext()
    call = CallContext(context)
    told = []
    call.on_leave(lambda: 1 // 0)
    call.on_leave(lambda: told.append("second"))
    with structlog.testing.capture_logs() as logs:
        context.end()
        context.end()

    assert told == ["second"]
    assert [log["event"] for log in logs] == ["rpc.leave_failed"]


class LeavingAtOnce(FakeGrpcContext):
    """Its caller goes away as soon as somebody wants to hear of that."""

    def add_callback(self, callback):
        callback()
        return True


def test_who_leaves_as_the_call_begins_has_left():
    told = []

    call = CallContext(LeavingAtOnce())
    call.on_leave(lambda: told.append("left"))

    assert call.left
    assert told == ["left"]


def test_the_end_of_an_answered_call_is_no_leaving():
    context = FakeGrpcContext()
    call = CallContext(context)
    told = []
    call.on_leave(lambda: told.append("left"))
    call.answered()
    context.end()

    assert told == []
    assert not call.left


def test_a_call_that_was_over_before_it_began_has_left():
    call = CallContext(FakeGrpcContext(ended=True))
    told = []
    call.on_leave(lambda: told.append("left"))

    assert told == ["left"]
