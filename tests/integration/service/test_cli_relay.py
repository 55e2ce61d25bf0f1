from __future__ import annotations

import json
import time

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from postroom.cli.app import app
from postroom.v1 import send_pb2 as send_pb
from typer.testing import CliRunner

ACCEPTED = send_pb.COMPLETION_ACCEPTED


@pytest.fixture
def run(service):
    def invoke(*arguments):
        target = ["--target", service.app.server.address]
        return CliRunner().invoke(app, [*target, *arguments])

    return invoke


def told(result):
    """The JSON in what was printed: the log of the service stands beside it."""
    text = result.stdout
    return json.JSONDecoder().raw_decode(text[text.index("[\n") :])[0]


def test_pausing_says_why_and_the_list_tells_it(run):
    paused = run("relay", "pause", "main", "--reason", "repairs")
    listed = run("relay", "list")

    assert paused.exit_code == listed.exit_code == 0
    assert "relays/main is PAUSED" in paused.stdout
    assert "repairs" in listed.stdout
    assert "PAUSED" in listed.stdout


def test_a_resumed_relay_is_active(run):
    run("relay", "pause", "main")

    assert "relays/main is ACTIVE" in run("relay", "resume", "main").stdout


def test_draining_ends_with_0_when_nothing_is_under_way(run):
    drained = run("relay", "drain", "main", "--wait", "5")

    assert drained.exit_code == 0
    assert "nothing is under way" in drained.stdout


def test_draining_ends_with_1_when_something_is(run, service):
    assert service.app.engine._dispatcher.reserve("main", "default")

    drained = run("relay", "drain", "main", "--wait", "0.1")

    assert drained.exit_code == 1
    assert "1 still under way" in drained.stdout


def test_sessions_are_listed(run, service):
    service.send()

    assert "relays/main" in run("relay", "sessions").stdout
    (session,) = told(run("relay", "sessions", "main", "--json"))
    assert session["state"] == "IDLE"


def test_the_queue_is_shown_by_relay_and_tenant(run, service):
    run("relay", "pause", "main")
    service.send(completion=ACCEPTED)
    service.send(completion=ACCEPTED)

    shown = run("queue").stdout
    (row,) = told(run("queue", "main", "--json"))

    assert "tenants/default" in shown
    assert (row["relay"], row["tenant"], row["due"]) == (
        "relays/main",
        "tenants/default",
        2,
    )


def test_an_unknown_relay_is_an_error(run):
    assert run("relay", "pause", "nowhere").exit_code == 4


def test_mail_for_later_is_in_the_queue_too(run, service):
    nothing = run("queue").stdout
    service.send(send_at=Timestamp(seconds=int(time.time()) + 3600))
    shown = run("queue").stdout
    (row,) = told(run("queue", "--json"))

    assert "nothing waits" in nothing
    assert "SCHEDULED" in shown
    assert (row["due"], row["scheduled"]) == (0, 1)
