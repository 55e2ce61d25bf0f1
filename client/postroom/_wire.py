"""The way to the service from asyncio: a channel, bound to one event loop.

gRPC binds a channel to the loop in which it is opened, and fails obscurely in another;
so it is opened with the first call, and every use is checked.  What goes in pieces has
a way of its own (`_upload`).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import grpc

from postroom import _health
from postroom._channel import Way
from postroom.v1.delivery_service_pb2_grpc import DeliveryServiceStub
from postroom.v1.relay_service_pb2_grpc import RelayServiceStub
from postroom.words import Health

if TYPE_CHECKING:
    from postroom.v1.delivery_service_pb2_grpc import DeliveryServiceAsyncStub
    from postroom.v1.relay_service_pb2_grpc import RelayServiceAsyncStub


@dataclass(frozen=True, slots=True)
class Wire:
    """A channel, the methods behind it, and the loop that it is bound to."""

    loop: asyncio.AbstractEventLoop
    channel: grpc.aio.Channel
    service: DeliveryServiceAsyncStub
    relays: RelayServiceAsyncStub
    check_health: grpc.aio.UnaryUnaryMultiCallable[str, Health]
    upload_channel: grpc.Channel
    uploads: DeliveryServiceStub

    @classmethod
    def opened(cls, way: Way) -> Self:
        """Channels for the loop that runs; they connect with the first call."""
        channel = way.async_channel()
        check_health = channel.unary_unary(
            _health.METHOD, _health.serialize, _health.deserialize
        )
        uploads = way.channel()
        return cls(
            loop=asyncio.get_running_loop(),
            channel=channel,
            service=DeliveryServiceStub(channel),
            relays=RelayServiceStub(channel),
            check_health=check_health,
            upload_channel=uploads,
            uploads=DeliveryServiceStub(uploads),
        )

    async def close(self) -> None:
        """End all calls."""
        self.upload_channel.close()
        await self.channel.close()

    def checked(self) -> Self:
        """The same; raises `RuntimeError` in another loop than its own."""
        if self.loop is not asyncio.get_running_loop():
            raise RuntimeError(
                "this AsyncClient belongs to another event loop: make one for each loop"
            )
        return self
