"""Everything that the service tells anybody, as octets to be searched."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import grpc
from postroom.v1 import connection_pb2 as connection_pb
from postroom.v1 import delivery_requests_pb2 as requests_pb
from postroom.v1 import server_info_pb2 as info_pb
from postroom.v1 import stats_pb2 as stats_pb
from postroom.v1.delivery_service_pb2_grpc import DeliveryServiceStub
from postroom_server.rpc import wire

TIMEOUT = 20.0


def error_text(error: grpc.RpcError) -> bytes:
    """All of a refusal: its text and its trailers."""
    trailers = [
        value if isinstance(value, bytes) else value.encode()
        for _, value in error.trailing_metadata() or ()
    ]
    return b"\n".join([(error.details() or "").encode(), *trailers])


def reports(channel: grpc.Channel, relays: list[str]) -> Iterator[tuple[str, bytes]]:
    """What can be asked about the service and its relays."""
    stub = DeliveryServiceStub(channel)
    asked = stats_pb.GetStatsRequest(include_relays=True, include_latencies=True)
    yield "GetStats", _octets(stub.GetStats(asked, timeout=TIMEOUT))
    info = stub.GetServerInfo(info_pb.GetServerInfoRequest(), timeout=TIMEOUT)
    yield "GetServerInfo", _octets(info)
    for relay in relays:
        test = connection_pb.TestConnectionRequest(
            relay=f"relays/{relay}", verify_sender="me@example.com"
        )
        report = stub.TestConnection(test, timeout=TIMEOUT)
        yield f"TestConnection of {relay}", _octets(report)
    yield "reflection", b"\n".join(reflection(channel))


def metrics(config: Path) -> bytes:
    """What Prometheus reads."""
    listen = tomllib.loads(config.read_text())["metrics"]["listen"]
    with urllib.request.urlopen(f"http://{listen}/metrics", timeout=TIMEOUT) as page:
        return page.read()


def deliveries(channel: grpc.Channel) -> bytes:
    """What is told of all deliveries."""
    asked = requests_pb.ListDeliveriesRequest(view=requests_pb.DELIVERY_VIEW_FULL)
    return _octets(DeliveryServiceStub(channel).ListDeliveries(asked, timeout=TIMEOUT))


def reflection(channel: grpc.Channel) -> list[bytes]:
    """Every answer about every service."""
    ask = channel.stream_stream(
        f"/{wire.REFLECTION}/ServerReflectionInfo",
        wire.ReflectionRequest.SerializeToString,
        wire.ReflectionResponse.FromString,
    )
    questions = [wire.ReflectionRequest(list_services="")]
    questions += [
        wire.ReflectionRequest(file_containing_symbol=name)
        for name in ("postroom.v1.DeliveryService", "grpc.health.v1.Health")
    ]
    return [_octets(answer) for answer in ask(iter(questions), timeout=TIMEOUT)]


def of_the_command(config: Path) -> Iterator[tuple[str, bytes]]:
    """What `postroomd` prints about its configuration."""
    for option in ("--print-config", "--check-config"):
        command = [sys.executable, "-m", "postroom_server", "--config", str(config)]
        done = subprocess.run(
            [*command, option], capture_output=True, check=True, timeout=30
        )
        yield option, done.stdout + done.stderr


def of_the_process(pid: int) -> Iterator[tuple[str, bytes]]:
    """What others on the machine can see of a process."""
    for name in ("cmdline", "environ"):
        yield f"/proc/{name}", Path(f"/proc/{pid}/{name}").read_bytes()


def of_the_store(folder: Path) -> Iterator[tuple[str, bytes]]:
    """The files in which mail is kept."""
    top = sorted(folder.glob("postroom.db*"))
    below = [path for one in top for path in sorted(one.rglob("*"))]
    for path in (p for p in (*top, *below) if p.is_file()):
        yield path.name, path.read_bytes()


def _octets(message: object) -> bytes:
    # As it goes on the wire, and as people see it; escapes would hide some octets.
    return message.SerializeToString() + str(message).encode()
