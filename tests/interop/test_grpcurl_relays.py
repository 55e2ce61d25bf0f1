"""RelayService by grpcurl, as an administrator's fingers type it."""

from __future__ import annotations

import json
import subprocess

import pytest
from postroom_server.sandbox.relay import SandboxRelay

from tests.support.service import plain, running
from tests.support.tools import require_tool

pytestmark = pytest.mark.interop
MAIN = {"relay": "relays/main"}


@pytest.fixture
def relay():
    with SandboxRelay() as started:
        yield started


@pytest.fixture
def call(tmp_path, relay):
    program = require_tool("grpcurl")
    keys = plain(relay.port, max_per_second=20, max_recipients_per_day=50_000)
    with running(tmp_path, {"main": keys}, relay) as service:

        def ask(method, request):
            done = subprocess.run(
                [
                    *(program, "-plaintext", "-emit-defaults", "-d", "@"),
                    service.app.server.address,
                    f"postroom.v1.RelayService/{method}",
                ],
                input=json.dumps(request),
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
            )
            return json.loads(done.stdout) if done.returncode == 0 else done.stderr

        yield ask


def test_a_relay_is_listed_with_its_limits_and_its_queue(call):
    (relay,) = call("ListRelays", {})["relays"]

    assert relay["name"] == "relays/main"
    assert relay["condition"]["state"] == "RELAY_STATE_ACTIVE"
    assert relay["limits"]["maxPerSecond"] == 20
    assert int(relay["limits"]["maxRecipientsPerDay"]) == 50_000
    assert relay["queue"]["due"] == "0"
    assert call("GetRelay", MAIN)["relay"]["name"] == "relays/main"


def test_a_relay_is_paused_and_resumed(call):
    paused = call("PauseRelay", {**MAIN, "reason": "new certificate"})["relay"]
    resumed = call("ResumeRelay", MAIN)["relay"]

    assert paused["condition"]["state"] == "RELAY_STATE_PAUSED"
    assert "new certificate" in json.dumps(paused["condition"])
    assert resumed["condition"]["state"] == "RELAY_STATE_ACTIVE"


def test_a_relay_is_drained_within_the_time_that_was_given(call):
    drained = call("DrainRelay", {**MAIN, "waitTimeout": "1s"})

    assert drained["attemptsLeft"] == 0
    assert drained["relay"]["condition"]["state"] == "RELAY_STATE_PAUSED"


def test_the_sessions_of_a_relay_are_listed(call):
    assert call("ListSessions", MAIN) == {"sessions": []}


def test_an_unknown_relay_is_told_so(call):
    refused = call("PauseRelay", {"relay": "relays/none"})

    assert "Code: NotFound" in refused
    assert "RELAY_NOT_FOUND" in refused
