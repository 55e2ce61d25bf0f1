"""Addresses: what independent validators agree on, and what a relay then hears.

Address literals and domains of one label count as invalid here, whatever they say.
"""

from __future__ import annotations

import contextlib
import json
import time

import grpc
import pytest
from postroom import Client
from postroom.v1 import message_pb2 as message_pb
from postroom.v1 import send_pb2 as send_pb
from postroom.v1.delivery_service_pb2_grpc import DeliveryServiceStub
from postroom_server.domain.address import AddressProblem, parse_address

from tests.gates.oracle import assert_stats_are_true
from tests.support.process import daemon, free_port
from tests.support.relays import PoliteRelay
from tests.support.scripted_relay import ScriptedRelay
from tests.support.service import plain, settings, violations

pytestmark = pytest.mark.gate

VERDICT = 0.005
TIMEOUT = 20.0


@pytest.fixture(scope="module")
def cases(corpora):
    """Addresses on which no validator disagrees: each with its verdict."""
    path = corpora / "addresses" / "consensus.jsonl"
    # A line of it may hold any character but LF.
    lines = path.read_text("utf-8").rstrip("\n").split("\n")
    return [json.loads(line) for line in lines]


@pytest.fixture
def relay():
    return PoliteRelay()


@pytest.fixture
def stub(tmp_path, relay):
    """The service, which sends through *relay*."""
    with ScriptedRelay(relay) as link:
        config = settings(tmp_path, {"main": plain(link.port)})
        with (
            daemon(config, free_port()) as service,
            grpc.insecure_channel(service.target) as channel,
        ):
            yield DeliveryServiceStub(channel)
            with Client(service.target) as client:
                assert_stats_are_true(client)


def request(address: str, *, validate_only: bool) -> send_pb.SendMessageRequest:
    return send_pb.SendMessageRequest(
        message=message_pb.Message(
            from_mailbox=message_pb.Mailbox(address="me@example.com"),
            to=[message_pb.Mailbox(address=address)],
            subject="x",
            text_body="x",
        ),
        validate_only=validate_only,
    )


def approved(stub: DeliveryServiceStub, address: str) -> str:
    """*address* as the service would write it; empty where it is refused."""
    try:
        answer = stub.SendMessage(request(address, validate_only=True), timeout=TIMEOUT)
    except grpc.RpcError as error:
        if set(violations(error)) != {"message.to[0].address"}:
            raise
        return ""
    (plan,) = answer.validation.recipients
    return plan.envelope_address


def is_valid(case: dict) -> bool:
    """The validators' verdict, less what is not accepted here by decision."""
    domain = case["address"].rpartition("@")[2]
    return case["valid"] and "." in domain and not domain.startswith("[")


def share_right(verdicts: dict[str, bool], cases: list[dict]) -> float:
    right = sum(verdicts[case["address"]] is is_valid(case) for case in cases)
    return right / len(cases)


def test_the_service_judges_as_independent_validators_do(stub, cases):
    verdicts = {c["address"]: bool(approved(stub, c["address"])) for c in cases}
    of_three = [case for case in cases if len(case["labels"]) >= 3]

    assert share_right(verdicts, of_three) >= 0.995
    assert share_right(verdicts, cases) >= 0.97


def test_a_relay_hears_the_address_that_was_approved(stub, relay, cases):
    wires = {c["address"]: approved(stub, c["address"]) for c in cases}
    wires = {address: wire for address, wire in wires.items() if wire}
    for address in wires:
        stub.SendMessage(request(address, validate_only=False), timeout=TIMEOUT)

    heard = [mail.recipients for mail in relay.mails]
    assert heard == [(f"RCPT TO:<{wire}>",) for wire in wires.values()]
    for address, wire in wires.items():
        domain = address.rpartition("@")[2]
        if domain.isascii():
            assert wire.rpartition("@")[2] == domain.lower()


def test_no_verdict_takes_long(cases):
    # The best of some: what else the machine does only adds.
    slow = [c["address"] for c in cases if seconds(c["address"]) > VERDICT]

    assert not slow


def seconds(address: str) -> float:
    taken = []
    for _ in range(3):
        began = time.perf_counter()
        with contextlib.suppress(AddressProblem):
            parse_address(address)
        taken.append(time.perf_counter() - began)
    return min(taken)
