"""Where a server listens, and why it refuses to."""

from __future__ import annotations

import os
import socket
import stat

import grpc
import pytest
from postroom.v1 import delivery_service_pb2_grpc
from postroom.v1.delivery_requests_pb2 import GetDeliveryRequest
from postroom_server.rpc.listening import ListenError


def test_any_free_port_is_told(serve):
    server = serve().server

    assert server.address == f"127.0.0.1:{server.port}"
    assert server.port > 0


def test_a_second_server_on_a_port_fails_and_says_where(serve):
    address = serve().server.address
    with pytest.raises(
        ListenError, match=f"can't listen on {address}: Address already in use"
    ):
        serve(listen=address)


@pytest.mark.parametrize(
    "address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:25", "mail.example:25"]
)
def test_what_others_can_reach_is_refused_without_encryption(serve, address):
    with pytest.raises(ListenError, match="--insecure-plaintext"):
        serve(listen=address)


@pytest.mark.parametrize("address", ["", "50051", "localhost", "localhost:x", ":1"])
def test_what_is_no_address_is_refused(serve, address):
    with pytest.raises(ListenError, match="neither"):
        serve(listen=address)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "postroom.sock"


def call(path):
    with grpc.insecure_channel(f"unix:{path}") as channel:
        stub = delivery_service_pb2_grpc.DeliveryServiceStub(channel)
        return stub.GetDelivery(GetDeliveryRequest(), timeout=20)


def test_a_unix_socket_serves_its_owner_alone(serve, path):
    serve(listen=f"unix:{path}")

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert call(path) is not None


def test_the_umask_is_as_before(serve, path):
    before = os.umask(0o022)
    serve(listen=f"unix:{path}")
    after = os.umask(before)

    assert after == 0o022


def test_a_second_server_on_a_unix_socket_fails_and_the_first_goes_on(serve, path):
    serve(listen=f"unix:{path}")
    with pytest.raises(ListenError, match="another server listens there"):
        serve(listen=f"unix:{path}")

    assert call(path) is not None


def test_a_socket_that_a_dead_server_left_is_replaced(serve, path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    serve(listen=f"unix:{path}")

    assert call(path) is not None


def test_a_file_that_is_no_socket_is_left_alone(serve, path):
    path.write_text("precious")
    with pytest.raises(ListenError, match="is no socket"):
        serve(listen=f"unix:{path}")

    assert path.read_text() == "precious"


def test_a_stopped_server_leaves_its_socket_to_the_next(serve, path):
    first = serve(listen=f"unix:{path}")
    first.server.stop()
    gone = not path.exists()
    serve(listen=f"unix:{path}")

    assert gone
    assert call(path) is not None


def test_a_folder_that_is_not_there_is_named(serve, path):
    with pytest.raises(ListenError, match="No such file"):
        serve(listen=f"unix:{path.parent}/none/postroom.sock")
