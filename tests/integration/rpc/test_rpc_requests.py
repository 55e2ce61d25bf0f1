"""What comes over the wire is taken exactly, or refused with its reason."""

from __future__ import annotations

import zlib
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from postroom.v1 import send_pb2
from postroom.v1.delivery_requests_pb2 import GetDeliveryRequest, GetDeliveryResponse

from tests.support.raw_http2 import RawConnection, frame

SERVICE = "/postroom.v1.DeliveryService"
MIB = 1 << 20


def raw_method(running, name):
    """The method *name*, taking bytes."""
    return running.channel().unary_unary(f"{SERVICE}/{name}")


@pytest.mark.parametrize(
    "octets",
    [b"\xff", b"\x0a\x05ab", b"\x0a\x02\xc3\x28", b"\x0b" * 10_000],
    ids=["no tag", "cut short", "no UTF-8", "nested"],
)
def test_bytes_that_are_no_request_are_refused_as_malformed(serve, refused, octets):
    error = refused(raw_method(serve(), "GetDelivery"), octets)

    assert error.code is grpc.StatusCode.INVALID_ARGUMENT
    assert error.info.reason == "MALFORMED_REQUEST"


def test_a_field_that_we_do_not_know_is_refused_by_its_place(serve, refused):
    request = send_pb2.SendMessageRequest()
    request.message.subject = "hello"
    request.message.MergeFromString(b"\xb8\x3e\x01")
    error = refused(raw_method(serve(), "SendMessage"), request.SerializeToString())

    assert error.info.reason == "UNKNOWN_FIELD"
    assert [v.field for v in error.bad_request.field_violations] == ["message.999"]


def test_an_enum_value_that_we_do_not_know_is_refused_by_its_place(serve, refused):
    request = send_pb2.SendMessageRequest(completion=77)
    error = refused(raw_method(serve(), "SendMessage"), request.SerializeToString())

    assert error.info.reason == "UNKNOWN_FIELD"
    assert [v.field for v in error.bad_request.field_violations] == ["completion"]


def test_a_request_over_the_limit_is_refused(serve, refused):
    running = serve(max_request_bytes=MIB)
    method = raw_method(running, "GetDelivery")

    for _ in range(10):
        error = refused(method, b"\x0a\x80\x80\x50" + b"x" * (80 << 14))
        assert error.code is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_request_at_the_limit_is_taken(serve):
    running = serve(max_request_bytes=MIB)
    request = GetDeliveryRequest(delivery="x" * (MIB - 4))

    assert request.ByteSize() == MIB
    assert running.stub().GetDelivery(request, timeout=20) == GetDeliveryResponse()


@pytest.fixture
def peak():
    """Tells how far memory rose above where it was, in bytes."""
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("only Linux tells the peak of memory")
    Path("/proc/self/clear_refs").write_text("5")
    before = _high_water()
    return lambda: _high_water() - before


def _high_water():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if "VmHWM" in line) * 1024


@pytest.mark.skipif(
    tuple(map(int, grpc.__version__.split(".")[:2])) < (1, 85),
    reason="this grpcio inflates a request before it looks at its size",
)
def test_a_compressed_bomb_is_refused_without_being_inflated(serve, peak):
    running = serve(max_request_bytes=MIB)
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(MIB)) for _ in range(200)) + packer.flush()
    with RawConnection(running.server.address) as raw:
        stream = raw.call(f"{SERVICE}/GetDelivery", [("grpc-encoding", "gzip")])
        raw.send(stream, frame(bomb, compressed=True), end=True)
        answer = raw.answer(stream)

    assert answer.code == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
    assert peak() < 64 * MIB


def test_a_call_needs_a_message(serve):
    running = serve()
    with RawConnection(running.server.address) as raw:
        stream = raw.call(f"{SERVICE}/GetDelivery")
        raw.send(stream, b"", end=True)
        answer = raw.answer(stream)
    status = status_pb2.Status.FromString(answer.details())
    info = error_details_pb2.ErrorInfo()
    status.details[0].Unpack(info)

    assert answer.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert info.reason == "MALFORMED_REQUEST"


@pytest.mark.parametrize("end", [True, False], ids=["ended", "left open"])
def test_a_second_message_is_not_read(serve, end):
    asked = []

    def found(request, _call):
        asked.append(request.delivery)
        return GetDeliveryResponse()

    first, second = (
        frame(GetDeliveryRequest(delivery=name).SerializeToString())
        for name in ("first", "second")
    )
    running = serve({"GetDelivery": found})
    with RawConnection(running.server.address) as raw:
        stream = raw.call(f"{SERVICE}/GetDelivery")
        raw.send(stream, first + second, end=end)
        assert raw.answer(stream).code == 0
        # The connection is as good as before.
        stream = raw.call(f"{SERVICE}/GetDelivery")
        raw.send(stream, second, end=True)
        assert raw.answer(stream).code == 0

    assert asked == ["first", "second"]


@pytest.mark.parametrize(
    "path",
    [
        "postroom.v1.DeliveryService/GetDelivery",
        "//postroom.v1.DeliveryService/GetDelivery",
        "/postroom.v1.DeliveryService//GetDelivery",
        "/postroom.v1.deliveryservice/getdelivery",
        "/postroom.v1.DeliveryService/GetDelivery/",
        "/postroom.v1.DeliveryService/GetDelivery?x=1",
        "/x/../postroom.v1.DeliveryService/GetDelivery",
        "/",
        "/" + "x" * 4000,
    ],
)
def test_a_path_that_is_not_exactly_a_method_does_not_exist(serve, path):
    running = serve()
    with RawConnection(running.server.address) as raw:
        stream = raw.call(path)
        raw.send(stream, frame(b""), end=True)
        answer = raw.answer(stream)
    status = status_pb2.Status.FromString(answer.details())
    info = error_details_pb2.ErrorInfo()
    status.details[0].Unpack(info)

    assert answer.code == grpc.StatusCode.UNIMPLEMENTED.value[0]
    assert info.reason == "NOT_IMPLEMENTED"
    assert [record.method for record in running.records.until(1)] == ["unknown"]
