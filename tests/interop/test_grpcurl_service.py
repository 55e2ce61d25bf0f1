"""grpcurl against the whole service, with no proto files at hand."""

from __future__ import annotations

import base64
import email
import hashlib
import json
import os
import subprocess

import pytest
from postroom_server.config.tokens import digest_of
from postroom_server.sandbox.relay import SandboxRelay

from tests.support.callers import a_caller, tls_files
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


def call(service, method, *requests):
    """Call *method* with *requests*, several for a stream."""
    return grpcurl(
        service,
        "-d",
        "@",
        service.app.server.address,
        f"postroom.v1.DeliveryService/{method}",
        data="\n".join(map(json.dumps, requests)),
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


def base64_of(data):
    return base64.b64encode(data).decode()


def test_a_mail_is_sent_in_pieces(service):
    message = {**REQUEST["message"], "textBlob": "parts/text"}
    del message["textBody"]
    sent = call(
        service,
        "SendMessageStream",
        {"header": {**REQUEST, "message": message}},
        {"chunk": {"part": "parts/text", "data": base64_of(b"In ")}},
        {"chunk": {"data": base64_of(b"pieces.")}},
        {"end": {"sizeBytes": 10}},
    )

    assert json.loads(sent.stdout)["result"]["status"] == "DELIVERY_STATUS_SUCCESS"
    mail = email.message_from_bytes(service.relay.messages[0].data)
    assert mail.get_payload(decode=True) == b"In pieces."


def test_a_blob_is_uploaded(service):
    sent = call(
        service,
        "UploadBlob",
        {"header": {}},
        {"chunk": base64_of(b"a file")},
        {"end": {"sizeBytes": 6}},
    )

    name = json.loads(sent.stdout)["blob"]["name"]
    assert name == f"blobs/{hashlib.sha256(b'a file').hexdigest()}"


def test_a_stream_that_is_out_of_order_is_explained(service):
    sent = call(service, "UploadBlob", {"chunk": base64_of(b"a file")})

    assert "STREAM_PROTOCOL" in sent.stderr


def test_a_mail_is_rendered(service):
    sent = call(service, "RenderMessage", {"request": REQUEST})
    frames = json.loads("[" + sent.stdout.replace("}\n{", "},{") + "]")
    rendered = b"".join(base64.b64decode(f.get("chunk", "")) for f in frames)

    assert frames[0]["header"]["messageId"].encode() in rendered
    assert frames[-1]["end"]["sizeBytes"] == str(len(rendered))


def test_a_token_from_the_environment_opens_the_door_that_tls_guards(tmp_path):
    require_tool("grpcurl")
    files, caller = tls_files(tmp_path), a_caller()
    extra = f"""
        [server.tls]
        cert_file = "{files.cert}"
        key_file = "{files.key}"
        [credentials.web]
        token_sha256 = ["{digest_of(caller.token)}"]
    """
    with (
        SandboxRelay() as relay,
        running(tmp_path, {"main": plain(relay.port)}, relay, extra) as service,
    ):
        told = subprocess.run(
            [
                *("grpcurl", "-cacert", files.authority, "-expand-headers"),
                *("-H", "authorization: Bearer ${POSTROOM_TOKEN}"),
                service.app.server.address,
                "postroom.v1.DeliveryService/GetServerInfo",
            ],
            env={**os.environ, "POSTROOM_TOKEN": caller.token},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    assert told.returncode == 0, told.stderr
    assert "version" in json.loads(told.stdout)


def test_many_mails_over_one_stream(service):
    items = [
        {"key": f"k{n}", "request": {**REQUEST, "requestId": f"m-{n}"}}
        for n in range(3)
    ]
    bad = {"key": "bad", "request": {"message": {"subject": "x"}}}

    ended = call(service, "SendMessages", *items, bad)

    frames = decoded(ended.stdout)
    assert ended.returncode == 0, ended.stderr
    assert frames[0]["window"] == {"maxUnanswered": 1000}
    outcomes = {one["outcome"]["key"]: one["outcome"] for one in frames[1:]}
    assert [outcomes[f"k{n}"]["result"]["status"] for n in range(3)] == [
        "DELIVERY_STATUS_SUCCESS"
    ] * 3
    assert outcomes["bad"]["error"]["reason"] == "ERROR_REASON_INVALID_MESSAGE"
    assert outcomes["bad"]["error"]["violations"][0]["field"]


def test_many_mails_in_one_request(service):
    entries = [{k: v for k, v in REQUEST.items() if k != "requestId"}] * 2

    ended = call(service, "BatchSendMessages", {"requests": entries, "requestId": "b"})

    outcomes = json.loads(ended.stdout)["outcomes"]
    assert ended.returncode == 0, ended.stderr
    assert [one.get("index", "0") for one in outcomes] == ["0", "1"]
    assert "attempts" not in outcomes[0]["result"]


def decoded(text):
    """The JSON documents of *text*, which follow each other."""
    found, place, decoder = [], 0, json.JSONDecoder()
    while text[place:].strip():
        place += len(text[place:]) - len(text[place:].lstrip())
        document, place = decoder.raw_decode(text, place)
        found.append(document)
    return found
