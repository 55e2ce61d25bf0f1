"""The whole service in this process, with a sandbox relay, and a stub to call it.

With POSTROOM_TEST_STORE=postgres its store is a schema of the tests' own PostgreSQL,
one for each folder, instead of a file in it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from postroom.v1 import delivery_requests_pb2 as requests_pb
from postroom.v1 import delivery_service_pb2_grpc as service_grpc
from postroom.v1 import message_pb2 as message_pb
from postroom.v1 import send_pb2 as send_pb
from postroom_server.app import App
from postroom_server.config import load_config
from postroom_server.domain.clock import Instant, SystemClock, after
from postroom_server.sandbox.relay import SandboxRelay

from tests.support.postgres import postgres

CALL = 30.0
"""Seconds that a call of a test may take: enough for a loaded machine."""


@dataclass
class Service:
    """What a test of the service talks to."""

    app: App
    relay: SandboxRelay
    channel: grpc.Channel
    stub: service_grpc.DeliveryServiceStub

    def send(self, timeout: float = CALL, **fields: Any):
        """The `DeliveryResult` of a send; *fields* as for `a_request`."""
        return self.stub.SendMessage(a_request(**fields), timeout=timeout).result

    def get(self, name: str):
        """The delivery of that name."""
        request = requests_pb.GetDeliveryRequest(delivery=name)
        return self.stub.GetDelivery(request, timeout=CALL).delivery

    def settled(self, name: str):
        """The delivery's result once it is final."""
        ends_at = time.monotonic() + CALL
        while not (result := self.get(name).result).is_final:
            assert time.monotonic() < ends_at, f"not settled: {result}"
            PAUSE.wait(0.02)
        return result


ON_POSTGRES = os.environ.get("POSTROOM_TEST_STORE", "sqlite") == "postgres"
of_the_file = pytest.mark.skipif(ON_POSTGRES, reason="is about a store in a file")
PAUSE = threading.Event()
"""Never set: waits between looks at something that only polling can tell."""


def a_message(to: str = "ada@example.com", **fields: Any) -> message_pb.Message:
    """A mail; *fields* replace its own."""
    defaults = {
        "from_mailbox": message_pb.Mailbox(address="me@example.com"),
        "to": [message_pb.Mailbox(address=a) for a in to.split()],
        "subject": "Hello",
        "text_body": "It works.",
    }
    return message_pb.Message(**{**defaults, **fields})


def a_request(
    to: str = "ada@example.com", message: Mapping[str, Any] | None = None, **fields: Any
) -> send_pb.SendMessageRequest:
    """A request for *message* with these *fields*."""
    return send_pb.SendMessageRequest(
        message=a_message(to, **(message or {})), **fields
    )


@cache
def _schema(_folder: Path) -> str:
    # A service that is started again in its folder finds what it stored.
    return postgres().fresh()


def store_url(folder: Path) -> str:
    """The address of the store that services in *folder* have."""
    return _schema(folder) if ON_POSTGRES else f"sqlite:///{folder / 'postroom.db'}"


def settings(
    folder: Path,
    relays: Mapping[str, Mapping[str, Any]],
    extra: str = "",
    default: str = "main",
    store: str = "",
) -> Path:
    """A configuration file for these *relays*; *store* is its address, if it has one."""
    lines = [
        'listen = "127.0.0.1:0"',
        f'default_relay = "{default}"' if default else "",
        extra,
        "[store]",
        f'url = "{store or store_url(folder)}"',
    ]
    for name, keys in relays.items():
        lines.append(f"[relays.{name}]")
        lines += [f"{key} = {_toml(value)}" for key, value in keys.items()]
    path = folder / "postroom.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        inner = ", ".join(f"{k} = {_toml(v)}" for k, v in value.items())
        return "{ " + inner + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def plain(port: int, **keys: Any) -> dict[str, Any]:
    """The settings of a relay on the loopback without TLS."""
    return {"host": "127.0.0.1", "port": port, "encryption": "none", **keys}


@contextmanager
def running(
    folder: Path,
    relays: Mapping[str, Mapping[str, Any]],
    sandbox: SandboxRelay,
    extra: str = "",
    default: str = "main",
) -> Iterator[Service]:
    """The service with *relays*; *sandbox* is the one that most tests look into."""
    config = load_config(settings(folder, relays, extra, default), {})
    with (
        App(config) as app,
        grpc.insecure_channel(
            app.server.address, options=[("grpc.use_local_subchannel_pool", 1)]
        ) as channel,
    ):
        yield Service(app, sandbox, channel, service_grpc.DeliveryServiceStub(channel))


def details(error: grpc.RpcError) -> status_pb2.Status:
    """The rich status of a refused call."""
    trailers = dict(error.trailing_metadata() or ())
    return status_pb2.Status.FromString(trailers["grpc-status-details-bin"])


def reason(error: grpc.RpcError) -> str:
    """The `ErrorInfo.reason` of a refused call."""
    info = error_details_pb2.ErrorInfo()
    for detail in details(error).details:
        if detail.Unpack(info):
            return info.reason
    raise AssertionError("no ErrorInfo")


def violations(error: grpc.RpcError) -> dict[str, str]:
    """Field path to description of a refused request."""
    bad = error_details_pb2.BadRequest()
    for detail in details(error).details:
        if detail.Unpack(bad):
            return {v.field: v.description for v in bad.field_violations}
    return {}


class Later(SystemClock):
    """A wall clock that is some days ahead."""

    def __init__(self, days: float) -> None:
        self._ahead = days * 86_400.0

    def now(self) -> Instant:
        return after(super().now(), self._ahead)


def purge(service: Service, days: float) -> int:
    """What the upkeep does, as if so many days had passed."""
    upkeep = service.app.engine._upkeep
    upkeep._clock = Later(days)
    return upkeep.run_once()
