"""`postroomd --processes N` on the PostgreSQL of the tests, seen from outside."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import psutil
from postroom.v1 import delivery_service_pb2_grpc as service_grpc
from postroom_server.app import App
from postroom_server.config import load_config
from postroom_server.outbox.postgres.store import PostgresOutbox
from postroom_server.sandbox.relay import SandboxRelay

from tests.support.process import PAUSE, Daemon, daemon, free_port
from tests.support.service import Service, plain, settings

PATIENCE = 60.0


def fleet_settings(
    folder: Path, url: str, relay_port: int, extra: str = "", **keys: Any
) -> Path:
    """A configuration file for processes that share the store at *url*.

    *keys* are those of the relay.
    """
    folder.mkdir(exist_ok=True)
    path = settings(folder, {"main": plain(relay_port, **keys)}, extra)
    lines = path.read_text().splitlines()
    said = [f'url = "{url}"' if line.startswith("url = ") else line for line in lines]
    path.write_text("\n".join(said) + "\n")
    return path


@contextmanager
def serving(folder: Path, url: str, relay: SandboxRelay) -> Iterator[Service]:
    """One more service of this process, which shares the store at *url*."""
    config = load_config(fleet_settings(folder, url, relay.port), {})
    with (
        _hearing(App(config)) as app,
        grpc.insecure_channel(
            app.server.address, options=[("grpc.use_local_subchannel_pool", 1)]
        ) as channel,
    ):
        yield Service(app, relay, channel, service_grpc.DeliveryServiceStub(channel))


@contextmanager
def _hearing(app: App) -> Iterator[App]:
    with app:
        await_hearing(app._outbox)
        yield app


def await_hearing(outbox: PostgresOutbox) -> None:
    """Wait until *outbox* hears what others tell; what is told before is not heard."""
    assert outbox._notices.listening.wait(PATIENCE)


@contextmanager
def fleet(config: Path, processes: int, **environment: str) -> Iterator[Daemon]:
    """A supervisor and its *processes*, all of which take mail."""
    wanted = {"POSTROOM_SERVER__PROCESSES": str(processes), **environment}
    with daemon(config, free_port(), **wanted) as started:
        try:
            until(lambda: told(started, "service.serving"))
            yield started
        finally:
            _end_members(started)


def _end_members(started: Daemon) -> None:
    """They leave by themselves where the supervisor is gone; and for sure."""
    members = [
        psutil.Process(e["pid"])
        for e in told(started, "process.started")
        if psutil.pid_exists(e["pid"])
    ]
    if started.process.poll() is None:
        started.stop(PATIENCE)
    for member in members:
        try:
            member.wait(PATIENCE)
        except psutil.TimeoutExpired:
            member.kill()


def told(started: Daemon, event: str) -> list[dict[str, Any]]:
    """The lines of the log for *event* so far."""
    found = []
    for line in list(started.log):
        try:
            words = json.loads(line)
        except ValueError:
            continue
        if words.get("event") == event:
            found.append(words)
    return found


def members(started: Daemon) -> dict[int, int]:
    """The pid of each process, by its number, as last told."""
    return {e["process"]: e["pid"] for e in told(started, "process.started")}


def until(holds: Any, patience: float = PATIENCE) -> None:
    """Wait until *holds*; for what only looking can tell."""
    for _ in range(int(patience / 0.05)):
        if holds():
            return
        PAUSE.wait(0.05)
    raise AssertionError("it did not come")


@contextmanager
def stub_of(target: str) -> Iterator[service_grpc.DeliveryServiceStub]:
    """A stub on a connection of its own, hence to one process."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(target, options=options) as channel:
        yield service_grpc.DeliveryServiceStub(channel)
