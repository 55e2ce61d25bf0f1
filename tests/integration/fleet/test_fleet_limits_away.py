"""Limits while the database does not answer."""

from __future__ import annotations

import os
import signal

import grpc
import pytest
from postroom_server.app import App
from postroom_server.config import load_config
from postroom_server.sandbox.relay import SandboxRelay

from tests.support.fleets import fleet_settings, stub_of
from tests.support.postgres import postgres
from tests.support.service import CALL, PAUSE, a_request

pytestmark = pytest.mark.timeout(180)
LIMITS = {"max_per_second": 50, "burst": 50, "max_recipients_per_day": 1000}


def sent(stub, **fields):
    return stub.SendMessage(a_request(**fields), timeout=CALL)


def sent_when_back(stub):
    for _ in range(100):
        try:
            return sent(stub)
        except grpc.RpcError:
            PAUSE.wait(0.2)
    raise AssertionError("the store did not come back")


def test_no_call_hangs_nothing_is_sent_without_leave_and_it_goes_on_by_itself(tmp_path):
    cluster = postgres()
    with SandboxRelay() as relay:
        config = fleet_settings(tmp_path / "c", cluster.fresh(), relay.port, **LIMITS)
        with (
            App(load_config(config, {})) as app,
            stub_of(app.server.address) as stub,
        ):
            sent(stub)
            processes = cluster.processes()
            for pid in processes:
                os.kill(pid, signal.SIGSTOP)
            try:
                with pytest.raises(grpc.RpcError) as refused:
                    sent(stub)
                during = len(relay.messages)
            finally:
                for pid in processes:
                    os.kill(pid, signal.SIGCONT)
            sent_when_back(stub)

    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert during == 1
