from __future__ import annotations

import json
import pickle
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from typing import get_args, get_type_hints

import pytest
from postroom import errors, events, reports, results
from postroom._convert import read
from postroom.results import DeliveryResult, RecipientResult, SmtpReply
from postroom.v1 import (
    attempt_pb2,
    connection_pb2,
    delivery_pb2,
    delivery_requests_pb2,
    event_pb2,
    relay_service_pb2,
    send_pb2,
    server_info_pb2,
    stats_pb2,
)
from postroom.words import FailureReason, Phase, RecipientStatus, Status

ROOTS = [
    (results.DeliveryResult, delivery_pb2.DeliveryResult),
    (results.Delivery, delivery_requests_pb2.Delivery),
    (results.Cancellation, delivery_requests_pb2.CancelDeliveryResponse),
    (results.ValidationReport, send_pb2.ValidationReport),
    (reports.ConnectionReport, connection_pb2.TestConnectionResponse),
    (events.Event, event_pb2.Event),
    (reports.Stats, stats_pb2.GetStatsResponse),
    (reports.Draining, relay_service_pb2.DrainRelayResponse),
    (reports.RelaySession, relay_service_pb2.RelaySession),
    (reports.ServerInfo, server_info_pb2.GetServerInfoResponse),
]
REFUSED = SmtpReply(code=550, enhanced_code="5.1.1", text="no such user")


def _pairs(kind, descriptor):
    """*kind* and all results in it, each with its message."""
    yield kind, descriptor
    for name, hint in get_type_hints(kind).items():
        for inner in (hint, *get_args(hint)):
            if is_dataclass(inner):
                yield from _pairs(inner, descriptor.fields_by_name[name].message_type)


ALL = {
    kind: descriptor
    for root, message in ROOTS
    for kind, descriptor in _pairs(root, message.DESCRIPTOR)
}


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_a_result_has_every_field_of_the_contract_and_no_other(kind):
    ours = {f.name for f in fields(kind) if not f.metadata.get("ours")}

    assert ours == set(ALL[kind].fields_by_name)


@pytest.mark.parametrize(("kind", "message"), ROOTS)
def test_an_empty_answer_can_be_read_and_written_as_json(kind, message):
    result = read(kind, message())

    assert json.loads(result.to_json()) == result.to_dict()


def test_an_answer_is_read_whole():
    answer = delivery_pb2.DeliveryResult(
        delivery="deliveries/1",
        status=delivery_pb2.DELIVERY_STATUS_REJECTED,
        is_final=True,
        message_id="<1@example.com>",
        smtp_error=attempt_pb2.SmtpReply(code=550, phase=attempt_pb2.PHASE_RCPT),
        retry_count=2,
    )
    answer.accepted_at.FromDatetime(datetime(2026, 8, 1, 12, 0, 0, 250_000, UTC))
    timing = attempt_pb2.PhaseTiming(phase=attempt_pb2.PHASE_TLS)
    timing.duration.FromTimedelta(timedelta(milliseconds=1500))
    answer.attempts.add(number=1, timings=[timing])
    result = read(DeliveryResult, answer)

    assert result.status is Status.REJECTED
    assert result.accepted_at == datetime(2026, 8, 1, 12, 0, 0, 250_000, UTC)
    assert result.sent_at is None
    assert result.smtp_error == SmtpReply(code=550, phase=Phase.RCPT)
    assert result.attempts[0].reply is None
    assert result.attempts[0].timings[0].duration == 1.5
    assert result.retry_count == 2


def test_a_word_of_a_newer_service_is_unspecified():
    answer = delivery_pb2.DeliveryResult(status=99, reason=98)  # type: ignore[arg-type]
    result = read(DeliveryResult, answer)

    assert result.status is Status.UNSPECIFIED
    assert result.reason is FailureReason.UNSPECIFIED


def test_an_optional_number_tells_zero_from_unset():
    answer = connection_pb2.TestConnectionResponse
    limits = [answer(), answer(size_limit_bytes=0)]
    found = [read(reports.ConnectionReport, one).size_limit_bytes for one in limits]

    assert found == [None, 0]


def _result(status, *recipients, **more):
    return DeliveryResult(status=status, is_final=True, recipients=recipients, **more)


def test_failures_are_a_map_by_address():
    result = _result(
        Status.PARTIAL,
        RecipientResult(address="a@x.com", status=RecipientStatus.DELIVERED),
        RecipientResult(
            address="b@x.com", status=RecipientStatus.REFUSED, reply=REFUSED
        ),
        RecipientResult(
            address="c@x.com", status=RecipientStatus.TEMP_FAILED, detail="timed out"
        ),
        RecipientResult(address="d@x.com", status=RecipientStatus.WITHHELD),
    )
    failures = result.recipient_failures

    assert list(failures) == ["b@x.com", "c@x.com"]
    assert (failures["b@x.com"].code, failures["b@x.com"].enhanced_code) == (
        550,
        "5.1.1",
    )
    assert (failures["c@x.com"].code, failures["c@x.com"].text) == (None, "timed out")


def test_a_result_is_a_plain_dictionary():
    result = _result(
        Status.REJECTED,
        RecipientResult(
            address="b@x.com", status=RecipientStatus.REFUSED, reply=REFUSED
        ),
        smtp_error=REFUSED,
        accepted_at=datetime(2026, 8, 1, 12, tzinfo=UTC),
    )
    found = result.to_dict()

    assert json.loads(json.dumps(found)) == found
    assert type(found["status"]) is str
    assert found["status"] == "REJECTED"
    assert found["accepted_at"] == "2026-08-01T12:00:00Z"
    assert found["sent_at"] is None
    assert found["smtp_error"]["code"] == 550
    assert found["recipient_failures"]["b@x.com"]["text"] == "no such user"
    assert found["ok"] is False


def test_bytes_are_hexadecimal_digits():
    answer = connection_pb2.Certificate(sha256=b"\x00\xff")

    assert read(reports.Certificate, answer).to_dict()["sha256"] == "00ff"


@pytest.mark.parametrize(
    ("status", "final", "ok"),
    [
        (Status.SUCCESS, True, True),
        (Status.QUEUED, False, True),
        (Status.SENDING, False, True),
        (Status.RETRY, False, True),
        (Status.PARTIAL, True, False),
        (Status.TEMP_FAILED, True, False),
        (Status.UNCERTAIN, True, False),
        (Status.UNSPECIFIED, True, False),
    ],
)
def test_a_result_is_ok_if_delivered_or_on_its_way(status, final, ok):
    result = DeliveryResult(status=status, is_final=final)

    assert result.ok is ok
    assert result.delivered is (status is Status.SUCCESS)


def test_an_outcome_is_raised_on_demand():
    result = _result(
        Status.REJECTED, smtp_error=REFUSED, delivery="deliveries/1", is_retryable=True
    )

    with pytest.raises(
        errors.DeliveryFailed, match=r"deliveries/1: REJECTED: 550"
    ) as e:
        result.raise_for_outcome()
    assert e.value.result is result
    assert e.value.retryable


def test_a_good_outcome_is_returned():
    result = DeliveryResult(status=Status.SUCCESS, is_final=True)

    assert result.raise_for_outcome() is result


def test_errors_travel_between_processes():
    details = errors.ErrorDetails(
        code="UNAVAILABLE", metadata={"a": "b"}, retry_after=2
    )
    failed = errors.DeliveryFailed.of(_result(Status.FAILED, smtp_error=REFUSED))
    sent = [errors.Overloaded("busy", details), failed]
    overloaded, came = pickle.loads(pickle.dumps(sent))

    assert (overloaded.retry_after, str(overloaded)) == (2, "busy")
    assert overloaded.metadata == {"a": "b"}
    assert came.result == failed.result
