"""The service on a shared database."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import grpc
import pytest
from postroom.v1 import delivery_pb2 as delivery_pb
from postroom.v1 import send_pb2 as send_pb
from postroom_server.app import App
from postroom_server.config import load_config
from postroom_server.sandbox.relay import SandboxRelay

from tests.support.fleets import serving
from tests.support.postgres import postgres
from tests.support.service import PAUSE, a_request

SUCCESS = delivery_pb.DELIVERY_STATUS_SUCCESS


@pytest.fixture
def relay() -> Iterator[SandboxRelay]:
    with SandboxRelay() as started:
        yield started


def test_mail_is_relayed_and_any_process_tells_of_it(tmp_path, relay):
    url = postgres().fresh()
    with (
        serving(tmp_path / "a", url, relay) as first,
        serving(tmp_path / "b", url, relay) as second,
    ):
        result = first.send()
        told = second.get(result.delivery).result

    assert (result.status, told.status) == (SUCCESS, SUCCESS)
    assert len(relay.messages) == 1


def test_a_large_mail_is_sent(tmp_path, relay):
    url = postgres().fresh()
    body = "Line.\r\n" * 200_000
    with serving(tmp_path / "a", url, relay) as service:
        result = service.send(message={"text_body": body})

    assert result.status == SUCCESS


def test_a_store_that_stands_still_is_told_within_five_seconds_and_comes_back(
    tmp_path, relay
):
    cluster = postgres()
    with serving(tmp_path / "a", cluster.fresh(), relay) as service:
        service.send()
        processes = cluster.processes()
        for pid in processes:
            os.kill(pid, signal.SIGSTOP)
        began = service.app._clock.monotonic()
        try:
            with pytest.raises(grpc.RpcError) as refused:
                service.send(completion=send_pb.COMPLETION_ACCEPTED)
            took = service.app._clock.monotonic() - began
        finally:
            for pid in processes:
                os.kill(pid, signal.SIGCONT)
        answer = _sent_when_back(service)

    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    # A busy machine needs some to tell; who hears nothing waits for `CALL`.
    assert took < 5.0 + 5.0
    assert answer.status == SUCCESS


def _sent_when_back(service):
    for _ in range(100):
        try:
            return service.stub.SendMessage(a_request(), timeout=30).result
        except grpc.RpcError:
            PAUSE.wait(0.2)
    raise AssertionError("the store did not come back")


def test_a_password_is_in_no_word_of_ours(tmp_path, relay, capsys):
    folder = tmp_path / "secret"
    folder.mkdir()
    (folder / "password").write_text("hunter2hunter2\n")
    file = folder / "postroom.toml"
    file.write_text(
        'listen = "127.0.0.1:0"\n'
        "[store]\n"
        'url = "postgresql://postroom@127.0.0.1:1/none"\n'
        f'password_file = "{folder / "password"}"\n'
        f'[relays.main]\nhost = "127.0.0.1"\nport = {relay.port}\nencryption = "none"\n'
    )
    config = load_config(file, {})
    app = App(config)
    with pytest.raises(Exception, match="database can't be used") as refused:
        app.start()
    shown = f"{config!r}{refused.value!r}{capsys.readouterr()}"

    assert "hunter2" not in shown
