"""What a service writes to its log while it works."""

from __future__ import annotations

import io
import json
import logging
import threading

import grpc
import pytest
import structlog
from postroom_server.sandbox.relay import SandboxRelay
from postroom_server.telemetry.logs import LogSettings, set_up_logs

from tests.support.service import a_request, plain, running

CONTENT = ("A subject-canary", "A body-canary")


@pytest.fixture
def log():
    root, hook = logging.getLogger(), threading.excepthook
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    set_up_logs(LogSettings(mask_addresses=True), stream)
    yield stream
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    root.handlers[:], threading.excepthook = handlers, hook
    root.setLevel(level)


@pytest.fixture
def service(tmp_path, log):
    with (
        SandboxRelay() as relay,
        running(tmp_path, {"main": plain(relay.port)}, relay) as service,
    ):
        yield service


def events(log, name):
    found = [json.loads(line) for line in log.getvalue().splitlines()]
    return [event for event in found if event["event"] == name]


def test_a_mail_can_be_followed_through_the_log_by_its_ids(service, log):
    asked = a_request("bounce@example.com ada@example.com", request_id="mine")
    metadata = (("x-request-id", "call-1"),)
    sent = service.stub.SendMessage(asked, timeout=30, metadata=metadata).result
    identity = {
        "delivery": sent.delivery.removeprefix("deliveries/"),
        "relay": "main",
        "tenant": "default",
    }
    (accepted,) = events(log, "delivery.accepted")
    (attempted,) = events(log, "delivery.attempted")
    (call,) = events(log, "rpc.call")

    assert accepted == accepted | identity | {"request_id": "mine"}
    assert attempted == attempted | identity | {
        "request_id": "mine",
        "status": "PARTIAL",
    }
    assert call == call | identity | {"request_id": "call-1", "code": "OK"}


def test_a_mail_that_is_asked_for_is_named_by_the_call(service, log):
    sent = service.send()
    service.get(sent.delivery)
    call = events(log, "rpc.call")[-1]

    assert call["method"] == "DeliveryService/GetDelivery"
    assert call["delivery"] == sent.delivery.removeprefix("deliveries/")


def test_neither_content_nor_whole_addresses_are_in_the_log(service, log):
    subject, body = CONTENT
    message = {"subject": subject, "text_body": body}
    for to in ("ada@example.com", "bounce@example.com", "no address"):
        try:
            service.send(to=to, message=message)
        except grpc.RpcError:
            assert to == "no address"
    written = log.getvalue()

    assert written.count("rpc.call") == 3
    assert [word for word in CONTENT if word in written] == []
    assert "ada@" not in written
    assert "bounce@" not in written
