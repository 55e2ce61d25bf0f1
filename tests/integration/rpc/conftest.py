from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import grpc
import pytest
from google.protobuf import message_factory
from google.rpc import error_details_pb2, status_pb2
from postroom.v1 import delivery_service_pb2_grpc
from postroom_server.rpc.access_log import CallRecord
from postroom_server.rpc.health import HealthBoard
from postroom_server.rpc.methods import DELIVERY_SERVICE, Behaviour
from postroom_server.rpc.pools import PLANS
from postroom_server.rpc.server import RpcServer
from postroom_server.rpc.settings import RpcSettings


class Records:
    """The finished calls, and a way to wait for them."""

    def __init__(self):
        self._came = threading.Condition()
        self.all: list[CallRecord] = []

    def __call__(self, record):
        with self._came:
            self.all.append(record)
            self._came.notify_all()

    def until(self, count, method=""):
        def matching():
            return [record for record in self.all if method in record.method]

        with self._came:
            assert self._came.wait_for(lambda: len(matching()) >= count, 20)
            return matching()


@dataclass
class Running:
    """A server under test, with a channel to it."""

    server: RpcServer
    health: HealthBoard
    records: Records
    stack: ExitStack = field(default_factory=ExitStack)

    def channel(self) -> grpc.Channel:
        """A connection of its own."""
        return self.stack.enter_context(
            grpc.insecure_channel(
                self.server.address,
                options=[
                    ("grpc.use_local_subchannel_pool", 1),
                    ("grpc.enable_retries", 0),
                ],
            )
        )

    def stub(self) -> delivery_service_pb2_grpc.DeliveryServiceStub:
        return delivery_service_pb2_grpc.DeliveryServiceStub(self.channel())


def default_behaviour(name: str) -> Behaviour:
    """An empty answer, after all of an upload, or as the one frame of a download."""
    method = DELIVERY_SERVICE.methods_by_name[name]
    response = message_factory.GetMessageClass(method.output_type)

    def answer(request, _call):
        if method.client_streaming:
            for _ in request.frames():
                pass
            request.received()
        return [response()] if method.server_streaming else response()

    return answer


Serve = Callable[..., Running]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server: behaviours by name, `plans` by kind, the rest are settings."""
    with ExitStack() as stack:

        def start(
            behaviours=None, plans=None, *, ready=True, clock=None, **settings
        ) -> Running:
            records = Records()
            health = HealthBoard()
            names = [method.name for method in DELIVERY_SERVICE.methods]
            defaults = {name: default_behaviour(name) for name in names}
            server = RpcServer(
                RpcSettings(**{"listen": "127.0.0.1:0", **settings}),
                {**defaults, **(behaviours or {})},
                health,
                observers=(records,),
                plans={**PLANS, **(plans or {})},
                clock=clock,
            )
            server.start()
            server.set_ready(ready)
            running = Running(server, health, records)
            stack.callback(server.stop)
            stack.enter_context(running.stack)
            return running

        yield start


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """What blocked behaviours wait for; set at the end in any case."""
    event = threading.Event()
    yield event
    event.set()


class Refused:
    """A refused call, its details unpacked."""

    def __init__(self, error: grpc.RpcError):
        self.code = error.code()
        self.text = error.details()
        self.trailers = dict(error.trailing_metadata() or ())
        raw = self.trailers.get("grpc-status-details-bin", b"")
        self.status = status_pb2.Status.FromString(raw)
        self.info = self._detail(error_details_pb2.ErrorInfo)
        self.bad_request = self._detail(error_details_pb2.BadRequest)
        self.retry_info = self._detail(error_details_pb2.RetryInfo)

    def _detail(self, kind):
        found = kind()
        for detail in self.status.details:
            if detail.Is(kind.DESCRIPTOR):
                detail.Unpack(found)
        return found


@pytest.fixture
def refused() -> Callable[..., Refused]:
    """Call something that must be refused, and give what the caller gets."""

    def call(method, request, **options) -> Refused:
        with pytest.raises(grpc.RpcError) as caught:
            method(request, **{"timeout": 20, **options})
        return Refused(caught.value)

    return call
