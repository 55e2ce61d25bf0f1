"""`postroomd --processes 2`: one port, one supervisor, nothing lost."""

from __future__ import annotations

import os
import signal
import socket
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import grpc
import psutil
import pytest
from postroom.v1 import delivery_pb2 as delivery_pb
from postroom.v1 import server_info_pb2 as info_pb
from postroom_server.sandbox.relay import SandboxRelay
from postroom_server.sandbox.relay_faults import Delay

from tests.support.fleets import (
    PATIENCE,
    fleet,
    fleet_settings,
    members,
    stub_of,
    told,
    until,
)
from tests.support.postgres import postgres
from tests.support.process import free_port
from tests.support.service import CALL, a_request

SUCCESS = delivery_pb.DELIVERY_STATUS_SUCCESS
KILLED = -signal.SIGKILL
# Each starts interpreters, which a loaded machine does slowly.
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """A fleet of two with metrics, which no test ends."""
    folder = tmp_path_factory.mktemp("fleet")
    listen = f"127.0.0.1:{free_ports_in_a_row()}"
    with SandboxRelay() as relay:
        config = fleet_settings(folder / "c", postgres().fresh(), relay.port)
        with fleet(config, 2, POSTROOM_METRICS__LISTEN=listen) as started:
            yield started


def free_ports_in_a_row() -> int:
    """The first of two."""
    while True:
        port = free_port()
        with suppress(OSError), socket.create_server(("127.0.0.1", port + 1)):
            return port


@pytest.fixture
def relay():
    with SandboxRelay() as started:
        yield started


@pytest.fixture
def config(tmp_path, relay):
    return fleet_settings(tmp_path / "c", postgres().fresh(), relay.port)


def instance(target: str) -> str:
    with stub_of(target) as stub:
        request = info_pb.GetServerInfoRequest()
        return stub.GetServerInfo(request, timeout=CALL).instance


def sent(target: str, **fields):
    with stub_of(target) as stub:
        return stub.SendMessage(a_request(**fields), timeout=CALL).result


def test_both_processes_take_calls_on_one_port(service):
    instances: set[str] = set()
    until(lambda: instances.add(instance(service.target)) or len(instances) == 2)
    results = [sent(service.target).status for _ in range(4)]
    (serving,) = told(service, "service.serving")
    ready = {e["process"] for e in told(service, "service.ready")}

    assert results == [SUCCESS] * 4
    assert serving["processes"] == 2
    assert serving["address"] == service.target
    assert ready == {1, 2}


def test_each_process_has_metrics_of_its_own(service):
    served = {e["process"]: e["address"] for e in told(service, "metrics.ready")}
    pages = {}
    for number, address in served.items():
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=CALL) as page:
            pages[number] = page.read().decode()

    ports = [int(served[n].rpartition(":")[2]) for n in (1, 2)]
    assert ports[1] == ports[0] + 1
    assert all("postroom_" in page for page in pages.values())


def test_sighup_ends_nothing(service):
    service.process.send_signal(signal.SIGHUP)
    for pid in members(service).values():
        os.kill(pid, signal.SIGHUP)

    assert sent(service.target).status == SUCCESS
    assert service.process.poll() is None


def test_a_process_that_is_killed_is_replaced_and_loses_nothing(config, relay):
    accepted = []
    with fleet(config, 2) as service:
        first = members(service)

        def send(number: int) -> None:
            with suppress(grpc.RpcError):
                accepted.append(sent(service.target, request_id=f"k-{number}"))

        with ThreadPoolExecutor(4) as threads:
            for number in range(40):
                threads.submit(send, number)
            os.kill(first[2], signal.SIGKILL)
        until(lambda: members(service)[2] != first[2])
        until(lambda: len(told(service, "process.ready")) == 3)
        (died,) = told(service, "process.died")

    delivered = [r for r in accepted if r.status == SUCCESS]
    assert (died["process"], died["status"]) == (2, KILLED)
    assert len(delivered) >= 20
    assert len(relay.messages) >= len(delivered)


def test_sigterm_ends_all_in_order(config):
    with fleet(config, 2) as service:
        pids = members(service).values()
        status = service.stop(60)
        stopped = {e["process"] for e in told(service, "service.stopped")}

    assert status == 0
    assert stopped == {1, 2}
    assert not any(map(psutil.pid_exists, pids))


def test_a_signal_to_all_of_them_at_once_still_ends_them_in_order(config):
    """As the system does that ends everything in a service's group."""
    with fleet(config, 2) as service:
        for pid in members(service).values():
            os.kill(pid, signal.SIGTERM)
        status = service.stop(60)
        stopped = {e["process"] for e in told(service, "service.stopped")}

    assert status == 0
    assert stopped == {1, 2}


def test_processes_leave_in_order_when_the_supervisor_is_killed(config):
    with fleet(config, 2) as service:
        pids = members(service).values()
        service.kill()
        until(lambda: not any(map(psutil.pid_exists, pids)))
        # What they wrote last may still be on its way.
        service.reader.join(PATIENCE)
        stopped = {e["process"] for e in told(service, "service.stopped")}

    assert stopped == {1, 2}


def test_a_second_signal_ends_all_at_once(config, relay):
    relay.add(Delay(60.0))
    with fleet(config, 2) as service, ThreadPoolExecutor(1) as threads:
        held = threads.submit(sent, service.target)
        until(lambda: relay.sessions_open)
        service.process.send_signal(signal.SIGTERM)
        until(lambda: told(service, "service.leaving"))
        service.process.send_signal(signal.SIGTERM)
        status = service.process.wait(20)

        assert isinstance(held.exception(), grpc.RpcError)
    assert status == 0
