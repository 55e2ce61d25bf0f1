from __future__ import annotations

import json

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from postroom.cli import session
from postroom.cli.app import app
from postroom.v1 import (
    attempt_pb2,
    connection_pb2,
    delivery_pb2,
    delivery_requests_pb2,
    send_pb2,
    server_info_pb2,
)
from typer.testing import CliRunner

from tests.integration.client.answers import NAME, delivery, result
from tests.support.fake_service import Refusal


@pytest.fixture
def run(service, monkeypatch):
    monkeypatch.setenv("POSTROOM_TARGET", service.target)
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


def _story():
    attempts = [
        attempt_pb2.Attempt(
            number=1,
            relay="relays/main",
            remote="smtp.example.com:587 [192.0.2.1]",
            outcome=attempt_pb2.ATTEMPT_OUTCOME_TEMP_FAILED,
            phase=attempt_pb2.PHASE_RCPT,
            reply=attempt_pb2.SmtpReply(code=451, enhanced_code="4.7.1", text="later"),
            tls_version="TLSv1.3",
        ),
        attempt_pb2.Attempt(
            number=9,
            relay="relays/main",
            outcome=attempt_pb2.ATTEMPT_OUTCOME_ACCEPTED,
            phase=attempt_pb2.PHASE_END_OF_DATA,
            session_reused=True,
        ),
    ]
    attempts[0].timings.add(phase=attempt_pb2.PHASE_DNS).duration.FromMilliseconds(12)
    found = result(attempts=attempts, attempts_omitted=7, size_bytes=420)
    return delivery_requests_pb2.GetDeliveryResponse(
        delivery=delivery_requests_pb2.Delivery(
            name=NAME,
            result=found,
            request_id="mine",
            completion=send_pb2.COMPLETION_RELAYED_OR_QUEUED,
            relay="relays/main",
            subject="Hello",
        )
    )


def test_a_delivery_tells_its_story(run, service):
    service.script("GetDelivery", _story())
    found = run("get", "0198")
    lines = [" ".join(line.split()) for line in found.stdout.splitlines()]

    assert found.exit_code == 0
    assert lines[0] == f"SUCCESS {NAME} <1@example.com>"
    assert "subject Hello" in lines
    assert "request id mine" in lines
    assert "wait relayed-or-queued" in lines
    assert "size 420 bytes" in lines
    assert "attempt 1: TEMP_FAILED, put off at RCPT: 451 4.7.1 later" in found.stdout


def test_a_delivery_is_found_by_its_request_id(run, service):
    service.script("GetDelivery", _story())
    found = json.loads(run("get", "--request-id", "mine", "--json").stdout)

    assert found["name"] == NAME
    assert service.requests[0].request_id == "mine"


@pytest.mark.parametrize("names", [[], ["0198", "--request-id", "mine"]])
def test_a_delivery_is_asked_for_by_one_name(run, names):
    assert run("get", *names).exit_code == 2


def test_a_delivery_that_there_is_not_is_an_error(run, service):
    service.script(
        "GetDelivery",
        Refusal(
            code=grpc.StatusCode.NOT_FOUND,
            text="no such delivery",
            reason="DELIVERY_NOT_FOUND",
        ),
    )
    found = run("get", "0198")

    assert found.exit_code == 4
    assert found.stderr == "postroom: no such delivery\n"


def test_a_list_is_a_table_with_an_end(run, service):
    names = [f"deliveries/{number}" for number in range(5)]
    page = delivery_requests_pb2.ListDeliveriesResponse(
        deliveries=[delivery(name, subject="Hi") for name in names],
        next_page_token="more",
    )
    service.script("ListDeliveries", page)
    found = run("list", "--status", "success", "--since", "2026-08-01", "--limit", "3")

    rows = found.stdout.splitlines()
    assert found.exit_code == 0
    assert [row.split()[1] for row in rows[1:]] == names[:3]
    (request,) = service.requests
    assert request.filter.statuses == [delivery_pb2.DELIVERY_STATUS_SUCCESS]
    assert request.filter.HasField("accepted_from")
    assert request.page_size == 4
    assert found.stderr == (
        "postroom: the newest 3 of more; --limit takes a number, 0 for all\n"
    )


@pytest.mark.parametrize("limit", ["0", "5", "6"])
def test_a_list_that_is_whole_says_nothing_of_more(run, service, limit):
    names = [f"deliveries/{number}" for number in range(5)]
    page = delivery_requests_pb2.ListDeliveriesResponse(
        deliveries=[delivery(name) for name in names]
    )
    service.script("ListDeliveries", page)

    found = run("list", "--limit", limit)

    assert len(found.stdout.splitlines()) == 6
    assert found.stderr == ""


def test_a_narrow_terminal_shows_names_that_can_be_copied(run, service, monkeypatch):
    monkeypatch.setattr(session, "WIDE", 80)
    name = "01a2062c97017b0692951599832f16d6"
    found = delivery(f"deliveries/{name}", subject="A subject of many words " * 5)
    page = delivery_requests_pb2.ListDeliveriesResponse(deliveries=[found])
    service.script("ListDeliveries", page)
    _, row = run("list").stdout.splitlines()

    assert row.split()[1] == name


def test_help_names_what_an_option_takes(run):
    told = run("send", "--help").stdout

    assert "--to ADDRESS" in told
    assert "list[" not in told


def test_an_empty_list_says_so(run):
    assert run("list").stdout == "no deliveries\n"
    assert json.loads(run("list", "--json").stdout) == []


def test_a_status_that_there_is_not_is_invalid(run):
    assert run("list", "--status", "great").exit_code == 3


def test_a_cancellation_under_way_says_so(run, service):
    service.script(
        "CancelDelivery",
        delivery_requests_pb2.CancelDeliveryResponse(
            outcome=delivery_requests_pb2.CANCEL_OUTCOME_PENDING,
            result=result("SENDING"),
        ),
    )
    found = run("cancel", "0198")

    assert found.exit_code == 0
    assert "an attempt is under way" in found.stdout
    assert service.requests[0].delivery == NAME


@pytest.mark.parametrize(("arguments", "later"), [([], False), (["--in", "2h"], True)])
def test_a_mail_is_moved_to_another_time_or_to_now(run, service, arguments, later):
    service.script(
        "RescheduleDelivery",
        delivery_requests_pb2.RescheduleDeliveryResponse(result=result("QUEUED")),
    )
    found = run("reschedule", "0198", *arguments)

    assert found.exit_code == 0
    assert "QUEUED" in found.stdout
    assert service.requests[0].delivery == NAME
    assert service.requests[0].HasField("send_at") == later


@pytest.mark.parametrize("command", ["reschedule", "send"])
def test_a_day_that_is_over_is_a_slip(run, service, command):
    rest = {"reschedule": ["0198"], "send": ["--to", "a@example.com", "--text", "x"]}
    found = run(command, "--at", "2020-01-31", *rest[command])

    assert found.exit_code == 2
    assert "is in the past" in found.stderr
    assert service.requests == []


@pytest.mark.parametrize(("status", "code"), [("SUCCESS", 0), ("TEMP_FAILED", 1)])
def test_going_on_ends_as_the_mail_does(run, service, status, code):
    service.script(
        "RetryDelivery",
        delivery_requests_pb2.RetryDeliveryResponse(result=result(status)),
    )
    found = run(
        *("retry", "0198", "--settlement", "send-again", "--wait", "accepted"),
        *("--recipient", "ada@example.com", "--request-id", "mine"),
    )
    (request,) = service.requests

    assert found.exit_code == code
    assert request.settlement == delivery_requests_pb2.SETTLEMENT_SEND_AGAIN
    assert request.completion == send_pb2.COMPLETION_ACCEPTED
    assert request.recipients == ["ada@example.com"]
    assert request.request_id == "mine"


@pytest.mark.parametrize(("ok", "code"), [(True, 0), (False, 1)])
def test_the_way_to_a_relay_is_a_table_of_stages(run, service, ok, code):
    stage = connection_pb2.ConnectionStage(
        phase=attempt_pb2.PHASE_GREETING,
        result=connection_pb2.STAGE_RESULT_OK,
        reply=attempt_pb2.SmtpReply(code=220, text="ready"),
    )
    stage.duration.FromMilliseconds(7)
    service.script(
        "TestConnection",
        connection_pb2.TestConnectionResponse(
            ok=ok,
            relay="relays/main",
            stages=[stage],
            tls=connection_pb2.TlsReport(version="TLSv1.3", cipher="X", verified=True),
            extensions=["SIZE 1000", "PIPELINING"],
            diagnosis="mail can be sent",
        ),
    )
    found = run("test", "main", "--verify-sender", "me@example.com")

    assert found.exit_code == code
    assert "GREETING  OK      7 ms  220 ready" in found.stdout
    assert "TLSv1.3 X, verified" in found.stdout
    assert "offers SIZE 1000, PIPELINING" in found.stdout
    assert "relays/main: mail can be sent" in found.stdout
    assert service.requests[0].verify_sender == "me@example.com"


def test_the_service_tells_its_limits(run, service):
    service.script(
        "GetServerInfo",
        server_info_pb2.GetServerInfoResponse(
            version="0.1.0",
            instance="a1",
            started_at=Timestamp(seconds=1),
            limits=server_info_pb2.ServerLimits(max_recipients=100),
            features=["idempotency"],
        ),
    )
    found = run("info")

    assert found.exit_code == 0
    assert "Postroom 0.1.0, instance a1" in found.stdout
    assert "idempotency" in found.stdout
    assert ["max_recipients", "100"] in [x.split() for x in found.stdout.splitlines()]


@pytest.mark.parametrize(
    ("name", "word", "code"), [("", "SERVING", 0), ("relays/main", "NOT_SERVING", 1)]
)
def test_health_is_a_word_and_an_exit_code(run, service, name, word, code):
    service.health["relays/main"] = 2
    plain, as_json = run("health", name), run("--json", "health", name)

    assert (plain.exit_code, as_json.exit_code) == (code, code)
    assert plain.stdout == f"{word}\n"
    assert json.loads(as_json.stdout)["status"] == word


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_health_names_what_it_does_not_know(run, options):
    found = run(*options, "health", "main")

    assert found.exit_code == 4
    assert "no such service: main (a relay is named relays/main)" in found.stderr


def test_nobody_at_the_target_is_told(run, monkeypatch):
    monkeypatch.setenv("POSTROOM_TARGET", "unix:/nonexistent/postroom.sock")
    found = run("health")

    assert found.exit_code == 4
    assert "no Postroom service at unix:/nonexistent/postroom.sock" in found.stderr


def test_what_contradicts_itself_is_wrong_usage(run, tmp_path):
    found = run("--plaintext", "--ca-file", str(tmp_path / "ca.pem"), "health")

    assert found.exit_code == 2
    assert "ca_file is set, and plaintext too" in found.stderr.replace("\n", " ")


def test_the_version_is_told(run):
    assert run("--version").stdout.startswith("postroom 0.")


def test_help_tells_exit_codes_and_examples(run):
    assert "3  the mail or the request is not valid" in run("--help").stdout
    assert "echo 'It works.' | postroom send" in run("send", "--help").stdout
