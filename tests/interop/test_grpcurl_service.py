"""grpcurl against the whole service, with no proto files at hand."""

from __future__ import annotations

import json
import subprocess

import pytest
from postroom_server.sandbox.relay import SandboxRelay

from tests.support.service import plain, running
from tests.support.tools import require_tool

pytestmark = pytest.mark.interop

REQUEST = {
    "message": {
        "from": {"address": "me@example.com"},
        "to": [{"address": "ada@example.com", "name": "Ada"}],
        "subject": "From grpcurl",
        "textBody": "Hello.",
    },
    "requestId": "grpcurl-1",
}


@pytest.fixture
def service(tmp_path):
    require_tool("grpcurl")
    with (
        SandboxRelay() as relay,
        running(tmp_path, {"main": plain(relay.port)}, relay) as service,
    ):
        yield service


def grpcurl(service, *arguments, data=None):
    return subprocess.run(
        ["grpcurl", "-plaintext", *arguments],
        input=data,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def call(service, method, request):
    return grpcurl(
        service,
        "-d",
        "@",
        service.app.server.address,
        f"postroom.v1.DeliveryService/{method}",
        data=json.dumps(request),
    )


def test_the_services_are_listed(service):
    listed = grpcurl(service, service.app.server.address, "list").stdout

    assert "postroom.v1.DeliveryService" in listed
    assert "grpc.health.v1.Health" in listed


def test_a_method_is_described_with_its_comment(service):
    described = grpcurl(
        service,
        service.app.server.address,
        "describe",
        "postroom.v1.DeliveryService.SendMessage",
    ).stdout

    assert "Sends one mail." in described


def test_a_mail_is_sent_and_answered_in_camel_case(service):
    sent = call(service, "SendMessage", REQUEST)

    result = json.loads(sent.stdout)["result"]
    assert result["status"] == "DELIVERY_STATUS_SUCCESS"
    assert result["recipients"][0]["reply"]["code"] == 250
    assert result["isFinal"] is True
    assert len(service.relay.messages) == 1


def test_a_refused_mail_is_told_with_every_field(service):
    refused = call(service, "SendMessage", {"message": {"to": [{"address": "x"}]}})

    assert "Code: InvalidArgument" in refused.stderr
    assert "message.to[0].address" in refused.stderr
    assert "INVALID_MESSAGE" in refused.stderr
