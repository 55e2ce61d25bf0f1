"""No secret is told to anybody, in any encoding, whatever goes wrong.

The service runs at DEBUG and meets good relays, relays that refuse our log-in, and
relays that say it back.  All that it writes and answers is searched; that the search
finds what is there is shown where a secret belongs: on the wire and in the store.
"""

from __future__ import annotations

import contextlib

import grpc
import pytest
from postroom import Client
from postroom.v1 import delivery_requests_pb2 as requests_pb
from postroom.v1 import message_pb2 as message_pb
from postroom.v1 import send_pb2 as send_pb
from postroom.v1.delivery_service_pb2_grpc import DeliveryServiceStub
from postroom_server.sandbox.relay import RelaySecurity, SandboxRelay

from tests.gates import outputs
from tests.gates.canaries import (
    BODY,
    CONTENT,
    CREDENTIALS,
    PASSWORD,
    SUBJECT,
    TOKEN,
    USER,
    hits,
)
from tests.gates.echoing_relay import MECHANISMS, EchoingRelay
from tests.gates.oracle import assert_stats_are_true
from tests.support.process import daemon, free_port
from tests.support.scripted_relay import ScriptedRelay
from tests.support.service import plain, settings

pytestmark = pytest.mark.gate

STEPS = ("AUTH", "MAIL", "RCPT")


def mail(**changes: object) -> message_pb.Message:
    plain_one = {
        "from_mailbox": message_pb.Mailbox(address="me@example.com"),
        "to": [message_pb.Mailbox(address="ada@example.com")],
        "subject": SUBJECT,
        "text_body": BODY,
        "html_body": f"<p>{BODY}",
        "headers": [message_pb.Header(name="X-A", value=SUBJECT)],
        "attachments": [
            message_pb.Attachment(
                filename="a.txt", content_type="text/plain", data=BODY.encode()
            )
        ],
    }
    return message_pb.Message(**{**plain_one, **changes})


def request(relay: str = "good", **fields: object) -> send_pb.SendMessageRequest:
    defaults = {
        "relay": f"relays/{relay}",
        "message": mail(),
        "retry": send_pb.RetryPolicy(disabled=True),
    }
    return send_pb.SendMessageRequest(**{**defaults, **fields})


REFUSED = {
    "a line break": request(message=mail(subject=f"{SUBJECT}\n")),
    "a long subject": request(message=mail(subject=SUBJECT * 100)),
    "an empty body": request(message=mail(text_body="", html_body="")),
    "a NUL": request(message=mail(text_body=f"{BODY}\0")),
    "a header": request(
        message=mail(headers=[message_pb.Header(name=f"{SUBJECT}:", value=BODY)])
    ),
    "a header's value": request(
        message=mail(headers=[message_pb.Header(name="X-A", value=f"{SUBJECT}\r")])
    ),
    "base64": request(
        message=mail(
            attachments=[
                message_pb.Attachment(
                    filename="a", content_type="a/b", data_base64=f"{BODY}!"
                )
            ]
        )
    ),
    "a relay": request(relay="none"),
    "a repetition": request(request_id="r-1", message=mail(subject="other")),
}


def call_wrongly(channel: grpc.Channel):
    """Each refused call, by what is wrong with it, and all that its caller was told."""
    stub = DeliveryServiceStub(channel)
    stub.SendMessage(request(request_id="r-1"), timeout=outputs.TIMEOUT)
    for name, wrong in REFUSED.items():
        with pytest.raises(grpc.RpcError) as refusal:
            stub.SendMessage(wrong, timeout=outputs.TIMEOUT)
        yield name, outputs.error_text(refusal.value)
    with pytest.raises(grpc.RpcError) as refusal:
        channel.unary_unary("/postroom.v1.DeliveryService/SendMessage")(
            b"\x0a\xff" + SUBJECT.encode() + BODY.encode(), timeout=outputs.TIMEOUT
        )
    yield "no protobuf", outputs.error_text(refusal.value)
    wanted = requests_pb.GetDeliveryRequest(delivery=f"deliveries/{SUBJECT}")
    with pytest.raises(grpc.RpcError) as refusal:
        stub.GetDelivery(wanted, timeout=outputs.TIMEOUT)
    yield "no delivery", outputs.error_text(refusal.value)


@pytest.fixture
def echoes():
    """Relays that say the log-in back, by mechanism and step."""
    relays = {f"{m}-{s}".lower(): EchoingRelay(s) for m in MECHANISMS for s in STEPS}
    with contextlib.ExitStack() as stack:
        yield {
            name: (relay, stack.enter_context(ScriptedRelay(relay)).port)
            for name, relay in relays.items()
        }


@pytest.fixture(params=["json", "console"])
def service(request, tmp_path, echoes):
    """The service at DEBUG, its configuration, and the good relay."""
    (tmp_path / "password").write_text(PASSWORD)
    (tmp_path / "token").write_text(TOKEN)
    log_in = {"username": USER, "password_file": str(tmp_path / "password")}
    by_token = {"username": USER, "token_file": str(tmp_path / "token")}
    good = SandboxRelay(security=RelaySecurity(credentials=(USER, PASSWORD)))
    strange = SandboxRelay(security=RelaySecurity(credentials=("you", "other")))
    with good, strange:
        relays = {
            "good": plain(good.port, **log_in),
            "strange": plain(strange.port, **log_in),
        }
        for name, (_, port) in echoes.items():
            mechanism = name.rpartition("-")[0]
            known = by_token if "oauth" in mechanism else log_in
            relays[name] = plain(port, auth_mechanism=mechanism, **known)
        log = f'log = {{ level = "debug", format = "{request.param}" }}'
        metrics = f'metrics = {{ listen = "127.0.0.1:{free_port()}" }}'
        config = settings(tmp_path, relays, f"{log}\n{metrics}", default="good")
        with daemon(config, free_port()) as running:
            yield running, config, list(relays), good


def test_no_secret_is_told_to_anybody(service, echoes, tmp_path):
    running, config, relays, good = service
    told = dict(outputs.of_the_process(running.process.pid))
    with grpc.insecure_channel(running.target) as channel:
        stub = DeliveryServiceStub(channel)
        answers = {
            relay: stub.SendMessage(request(relay), timeout=outputs.TIMEOUT)
            for relay in relays
        }
        told |= dict(call_wrongly(channel))
        told |= dict(outputs.reports(channel, relays))
        mails = outputs.deliveries(channel)
    with Client(running.target) as client:
        assert_stats_are_true(client)
    told["the metrics"] = outputs.metrics(config)
    told |= {f"the answer about {r}": str(a).encode() for r, a in answers.items()}
    assert running.stop() == 0
    told["the log"] = b"".join(running.log)
    printed = dict(outputs.of_the_command(config))
    stored = dict(outputs.of_the_store(tmp_path))

    assert not hits(told, CREDENTIALS | CONTENT)
    assert not hits(printed, CONTENT | {"password": PASSWORD, "token": TOKEN})
    assert not hits({"the deliveries": mails}, CREDENTIALS | {"body": BODY})
    assert not hits(stored, CREDENTIALS)
    # What was searched for was there to be found.
    heard = {n: " ".join(echo.heard).encode() for n, (echo, _) in echoes.items()}
    assert {name.rpartition("-")[2] for name, text in heard.items() if text} == {
        *("auth", "mail", "rcpt")
    }
    assert hits({"plain": heard["plain-auth"]}, {"password": PASSWORD})
    assert hits({"login": heard["login-auth"]}, {"password": PASSWORD})
    assert hits({"xoauth2": heard["xoauth2-auth"]}, {"token": TOKEN})
    assert hits(stored, CONTENT)
    assert hits({"the mail": good.messages[0].data}, CONTENT)
