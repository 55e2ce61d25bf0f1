"""Every method that is served: its threads, time, callers, and what it does.

Calls are matched by their exact full name and by nothing else; what has no row here
does not exist.  `delivery_methods` fails at start when the contract and this table
differ, so that no method is served by accident or forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from postroom.v1 import delivery_service_pb2, relay_service_pb2

from postroom_server.rpc.access import Access
from postroom_server.rpc.context import CallContext
from postroom_server.rpc.pools import PoolKind

Behaviour = Callable[[Any, CallContext], Any]
"""Answers one call, or raises a `PostroomError`; what it gets and gives is `Shape`'s
to say."""

DELIVERY_SERVICE: ServiceDescriptor = delivery_service_pb2.DESCRIPTOR.services_by_name[
    "DeliveryService"
]
DELIVERY_SERVICE_NAME: str = DELIVERY_SERVICE.full_name
RELAY_SERVICE: ServiceDescriptor = relay_service_pb2.DESCRIPTOR.services_by_name[
    "RelayService"
]
RELAY_SERVICE_NAME: str = RELAY_SERVICE.full_name


DAY = 86_400.0
"""Seconds; no stream of events is as old as that."""


class Shape(Enum):
    """How requests and answers come: (client streams, server streams)."""

    UNARY = (False, False)
    """A request message in, a response message out."""
    UPLOAD = (True, False)
    """An `Upload` in, a response message out."""
    DOWNLOAD = (False, True)
    """A request message in, an iterator of response messages out."""
    EXCHANGE = (True, True)
    """An `Exchange` in, an iterator of response messages out."""


class _Row(NamedTuple):
    """How a method is served.

    *cap* is the longest wait in seconds for callers without a deadline (or with a
    longer one), and *seats* how many uploads are received at a time where that is less
    than the pool has threads.  A stream that is *paced* must move on.  A method that is
    not *strict* looks for unknown fields by itself.
    """

    pool: PoolKind
    cap: float
    access: Access
    seats: int | None = None
    paced: bool = True
    strict: bool = True


_ROWS = {
    "SendMessage": _Row(PoolKind.DELIVER, 120.0, Access.CALLERS),
    # Its caller waits for the verdict like that of SendMessage, on the same threads.
    "SendMessageStream": _Row(PoolKind.DELIVER, 120.0, Access.CALLERS, seats=64),
    "SendMessages": _Row(PoolKind.STREAMS, DAY, Access.CALLERS, paced=False),
    # One entry that is wrong is no reason to refuse the others.
    "BatchSendMessages": _Row(PoolKind.DELIVER, 120.0, Access.CALLERS, strict=False),
    "RenderMessage": _Row(PoolKind.RENDER, 30.0, Access.CALLERS),
    "UploadBlob": _Row(PoolKind.UPLOAD, 30.0, Access.CALLERS),
    "RetryDelivery": _Row(PoolKind.DELIVER, 120.0, Access.CALLERS),
    "GetDelivery": _Row(PoolKind.CONTROL, 30.0, Access.CALLERS),
    "ListDeliveries": _Row(PoolKind.CONTROL, 30.0, Access.CALLERS),
    "CancelDelivery": _Row(PoolKind.CONTROL, 30.0, Access.CALLERS),
    "WatchDeliveries": _Row(PoolKind.EVENTS, DAY, Access.CALLERS, paced=False),
    "PullEvents": _Row(PoolKind.EVENTS, 70.0, Access.CALLERS),
    "RescheduleDelivery": _Row(PoolKind.CONTROL, 30.0, Access.CALLERS),
    "GetStats": _Row(PoolKind.CONTROL, 30.0, Access.CALLERS),
    "GetServerInfo": _Row(PoolKind.CONTROL, 30.0, Access.CALLERS),
    "TestConnection": _Row(PoolKind.PROBE, 30.0, Access.ADMINISTRATORS),
}


_RELAY_ROWS = {
    "ListRelays": _Row(PoolKind.CONTROL, 30.0, Access.ADMINISTRATORS),
    "GetRelay": _Row(PoolKind.CONTROL, 30.0, Access.ADMINISTRATORS),
    "PauseRelay": _Row(PoolKind.CONTROL, 30.0, Access.ADMINISTRATORS),
    "ResumeRelay": _Row(PoolKind.CONTROL, 30.0, Access.ADMINISTRATORS),
    # It may wait as long as a test of a connection, and no look stands behind it.
    "DrainRelay": _Row(PoolKind.PROBE, 120.0, Access.ADMINISTRATORS),
    "ListSessions": _Row(PoolKind.CONTROL, 30.0, Access.ADMINISTRATORS),
}


class MethodTableError(Exception):
    """The contract, the table and the behaviours do not name the same methods."""


@dataclass(frozen=True, slots=True)
class Method:
    """One method.  *cap* is in seconds, for an upload from its end on.

    *strict* methods refuse fields that we do not know; *gated* ones are refused while
    the server is not ready or drains.  *access* says who may call, *seats* bounds the
    uploads under way.  A download that is not *paced* may be silent for long.
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
    shape: Shape = Shape.UNARY
    seats: int | None = None
    paced: bool = True

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
    return _methods(DELIVERY_SERVICE, _ROWS, behaviours, max_wait)


def served_methods(
    behaviours: Mapping[str, Behaviour], max_wait: float = 120.0
) -> tuple[Method, ...]:
    """Those of DeliveryService, and of RelayService if *behaviours* has any of it."""
    names = {method.name for method in RELAY_SERVICE.methods}
    relays = {name: one for name, one in behaviours.items() if name in names}
    others = {name: one for name, one in behaviours.items() if name not in names}
    methods = delivery_methods(others, max_wait)
    return (*methods, *relay_methods(relays)) if relays else methods


def relay_methods(behaviours: Mapping[str, Behaviour]) -> tuple[Method, ...]:
    """Those of RelayService, likewise."""
    return _methods(RELAY_SERVICE, _RELAY_ROWS, behaviours)


def _methods(
    service: ServiceDescriptor,
    rows: Mapping[str, _Row],
    behaviours: Mapping[str, Behaviour],
    max_wait: float = 0.0,
) -> tuple[Method, ...]:
    declared = {method.name: method for method in service.methods}
    for what, names in (
        ("the method table", set(rows)),
        ("behaviours", {*behaviours}),
    ):
        if odd := names ^ set(declared):
            text = f"{what} and the contract differ: {', '.join(sorted(odd))}"
            raise MethodTableError(text)
    return tuple(
        _method(declared[name], rows[name], behaviours[name], max_wait)
        for name in sorted(rows)
    )


def _method(
    declared: MethodDescriptor, row: _Row, behaviour: Behaviour, max_wait: float
) -> Method:
    service = declared.containing_service.full_name
    return Method(
        f"/{service}/{declared.name}",
        row.pool,
        max_wait if row.pool is PoolKind.DELIVER else row.cap,
        message_factory.GetMessageClass(declared.input_type),
        message_factory.GetMessageClass(declared.output_type),
        behaviour,
        row.access,
        strict=row.strict,
        shape=Shape((declared.client_streaming, declared.server_streaming)),
        seats=row.seats,
        paced=row.paced,
    )
