"""Every method that is served: its threads, time, callers, and what it does.

Calls are matched by their exact full name and by nothing else; what has no row here
does not exist.  `delivery_methods` fails at start when the contract and this table
differ, so that no method is served by accident or forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from postroom.v1 import delivery_service_pb2

from postroom_server.rpc.access import Access
from postroom_server.rpc.context import CallContext
from postroom_server.rpc.pools import PoolKind

Behaviour = Callable[[Any, CallContext], Message]
"""Answers one request, or raises a `PostroomError`."""

DELIVERY_SERVICE: ServiceDescriptor = delivery_service_pb2.DESCRIPTOR.services_by_name[
    "DeliveryService"
]
DELIVERY_SERVICE_NAME: str = DELIVERY_SERVICE.full_name

# Pool, the longest wait in seconds for callers without a deadline (or with a longer
# one), and who may call.
_ROWS = {
    "SendMessage": (PoolKind.DELIVER, 120.0, Access.CALLERS),
    "RetryDelivery": (PoolKind.DELIVER, 120.0, Access.CALLERS),
    "GetDelivery": (PoolKind.CONTROL, 30.0, Access.CALLERS),
    "ListDeliveries": (PoolKind.CONTROL, 30.0, Access.CALLERS),
    "CancelDelivery": (PoolKind.CONTROL, 30.0, Access.CALLERS),
    "GetStats": (PoolKind.CONTROL, 30.0, Access.CALLERS),
    "GetServerInfo": (PoolKind.CONTROL, 30.0, Access.CALLERS),
    "TestConnection": (PoolKind.PROBE, 30.0, Access.ADMINISTRATORS),
}


class MethodTableError(Exception):
    """The contract, the table and the behaviours do not name the same methods."""


@dataclass(frozen=True, slots=True)
class Method:
    """One unary method.  *cap* is in seconds.

    *strict* methods refuse fields that we do not know; *gated* ones are refused while
    the server is not ready or drains.  *access* says who may call.
    """

    path: str
    pool: PoolKind
    cap: float
    request: type[Message]
    response: type[Message]
    behaviour: Behaviour
    access: Access = Access.NOBODY
    strict: bool = True
    gated: bool = True

    @property
    def label(self) -> str:
        """The name for logs and metrics: "Service/Method"."""
        service, name = self.path[1:].split("/")
        return f"{service.rpartition('.')[2]}/{name}"


def delivery_methods(
    behaviours: Mapping[str, Behaviour], max_wait: float = 120.0
) -> tuple[Method, ...]:
    """The methods of DeliveryService; *behaviours* has one for each bare name.

    *max_wait* bounds those that wait for a relay.  Raises `MethodTableError`.
    """
    streams = {
        m.name
        for m in DELIVERY_SERVICE.methods
        if m.client_streaming or m.server_streaming
    }
    behaviours = {k: v for k, v in behaviours.items() if k not in streams}
    declared = {m.name: m for m in DELIVERY_SERVICE.methods if m.name not in streams}
    for what, names in (
        ("the method table", set(_ROWS)),
        ("behaviours", {*behaviours}),
    ):
        if odd := names ^ set(declared):
            text = f"{what} and the contract differ: {', '.join(sorted(odd))}"
            raise MethodTableError(text)
    return tuple(
        _method(declared[name], behaviours[name], max_wait) for name in sorted(_ROWS)
    )


def _method(
    declared: MethodDescriptor, behaviour: Behaviour, max_wait: float
) -> Method:
    pool, cap, access = _ROWS[declared.name]
    return Method(
        f"/{DELIVERY_SERVICE_NAME}/{declared.name}",
        pool,
        max_wait if pool is PoolKind.DELIVER else cap,
        message_factory.GetMessageClass(declared.input_type),
        message_factory.GetMessageClass(declared.output_type),
        behaviour,
        access,
    )
