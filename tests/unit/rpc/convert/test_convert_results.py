from __future__ import annotations

from dataclasses import replace

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from postroom.v1 import attempt_pb2, delivery_pb2, delivery_requests_pb2
from postroom_server.domain.attempt import (
    Attempt,
    AttemptOutcome,
    FailureReason,
    Phase,
    PhaseTiming,
)
from postroom_server.domain.clock import Instant
from postroom_server.domain.delivery import Delivery, DeliveryStatus, Recipient
from postroom_server.domain.delivery import RecipientStatus as R
from postroom_server.domain.limits import Limits
from postroom_server.domain.reply import Reply
from postroom_server.domain.submission import RecipientPlan, ValidationReport
from postroom_server.domain.transitions import ATTEMPTS_KEPT
from postroom_server.rpc.convert.attempts import attempt
from postroom_server.rpc.convert.reports import validation_report
from postroom_server.rpc.convert.results import (
    cancel_response,
    delivery_result,
    stored_delivery,
)

from tests.support.deliveries import HOUR, NOW, a_delivery, under_way
from tests.support.wire_fields import unset

LATER = Instant(NOW + HOUR)
NO = Reply(550, "5.1.1", "no such user", Phase.RCPT)
NOT_NOW = Reply(451, "4.7.1", "greylisted", Phase.RCPT)
YES = Reply(250, "2.0.0", "queued as 4F2", Phase.END_OF_DATA)


def stamp(instant: int) -> Timestamp:
    return Timestamp(seconds=instant // 10**6, nanos=instant % 10**6 * 1000)


def an_attempt(number: int = 1, **fields: object) -> Attempt:
    return Attempt(
        **{"number": number, "relay": "relays/main", "started_at": NOW, **fields}
    )


FULL_ATTEMPT = Attempt(
    number=3,
    relay="relays/main",
    started_at=NOW,
    ended_at=LATER,
    outcome=AttemptOutcome.TEMP_FAILED,
    phase=Phase.RCPT,
    reply=NOT_NOW,
    reason=FailureReason.RATE,
    detail="put off",
    remote="smtp.example.com:587 [192.0.2.1]",
    session_reused=True,
    tls_version="TLSv1.3",
    timings=(PhaseTiming(Phase.POOL, 0.001), PhaseTiming(Phase.RCPT, 0.25)),
    recipients_delivered=4,
    recipients_refused=5,
    recipients_deferred=6,
)


def failed(status: R, **fields: object) -> Recipient:
    return Recipient(
        address="Bob@Example.com", wire="Bob@example.com", status=status, **fields
    )


def with_recipients(*recipients: Recipient, **fields: object) -> Delivery:
    is_open = any(r.status.is_open for r in recipients)
    settled_at = None if is_open else LATER
    return a_delivery(
        **{
            "recipients": recipients,
            "due_at": LATER if is_open else None,
            "settled_at": settled_at,
            **fields,
        }
    )


def made(ended: Attempt) -> attempt_pb2.Attempt:
    return attempt_pb2.Attempt(**attempt(ended))


def test_no_field_of_an_attempt_is_forgotten():
    assert list(unset(made(FULL_ATTEMPT))) == []


def test_an_attempt_keeps_what_it_says():
    found = made(FULL_ATTEMPT)

    assert (found.number, found.detail, found.remote, found.tls_version) == (
        3,
        "put off",
        "smtp.example.com:587 [192.0.2.1]",
        "TLSv1.3",
    )
    assert (found.started_at, found.ended_at) == (stamp(NOW), stamp(LATER))
    assert (found.outcome, found.phase, found.reason) == (2, 11, 8)
    assert (
        found.recipients_delivered,
        found.recipients_refused,
        found.recipients_deferred,
    ) == (4, 5, 6)
    assert (found.reply.code, found.reply.enhanced_code) == (451, "4.7.1")
    assert (found.reply.text, found.reply.phase) == ("greylisted", 11)


def test_the_steps_stay_in_order():
    timings = made(FULL_ATTEMPT).timings

    assert [(t.phase, t.duration.ToMicroseconds()) for t in timings] == [
        (3, 1_000),
        (11, 250_000),
    ]


def test_no_field_of_a_stored_delivery_is_forgotten():
    # What excludes each other: a failure with a next attempt, and an end.
    retrying = with_recipients(
        replace(
            failed(R.DEFERRED), reason=FailureReason.RATE, reply=NOT_NOW, detail="x"
        ),
        attempts=(FULL_ATTEMPT,) * 21,
        attempts_made=30,
        send_at=NOW,
        sent_at=NOW,
        size_bytes=7,
        trace_id="0af7",
        request_id="order-1",
        maybe_duplicate=True,
        metadata=(("order", "17"),),
        tags=("welcome",),
    )
    over = with_recipients(
        failed(
            R.TEMP_FAILED,
            reason=FailureReason.RATE,
            reply=NO,
            detail="x",
            settled_at=NOW,
        )
    )
    missing = {*unset(stored_delivery(retrying, Limits(), full=True))} & {
        *unset(stored_delivery(over, Limits(), full=True))
    }

    # Only an answer can be a replay.
    assert missing == {"result.replayed"}


def test_a_replay_says_so():
    assert delivery_result(a_delivery(R.DELIVERED), replayed=True).replayed


def test_a_delivery_keeps_what_it_says():
    delivery = a_delivery(
        R.DELIVERED,
        id="7" * 32,
        sent_at=LATER,
        settled_at=Instant(LATER + 1),
        size_bytes=11,
        trace_id="0af7",
    )
    found = delivery_result(delivery)

    assert found.delivery == "deliveries/" + "7" * 32
    assert found.message_id == "<1@example.com>"
    assert (found.accepted_at, found.sent_at) == (stamp(NOW), stamp(LATER))
    assert found.settled_at == stamp(LATER + 1)
    assert (found.size_bytes, found.trace_id) == (11, "0af7")


def test_recipients_stay_in_order_and_as_they_were_written():
    recipients = (
        failed(R.DELIVERED, reply=YES, settled_at=NOW),
        replace(failed(R.REFUSED), address="ada@example.com", reply=NO, settled_at=NOW),
        replace(failed(R.TEMP_FAILED), address="cyd@example.com", detail="gone"),
    )
    found = delivery_result(with_recipients(*recipients)).recipients

    assert [r.address for r in found] == [
        "Bob@Example.com",
        "ada@example.com",
        "cyd@example.com",
    ]
    assert [r.reply.code for r in found] == [250, 550, 0]
    assert [r.is_retryable for r in found] == [False, False, True]
    assert [r.HasField("settled_at") for r in found] == [True, True, False]


@pytest.mark.parametrize(
    ("statuses", "status", "final", "retryable"),
    [
        ([R.PENDING], DeliveryStatus.QUEUED, False, False),
        ([R.DEFERRED, R.DELIVERED], DeliveryStatus.RETRY, False, False),
        ([R.DELIVERED], DeliveryStatus.SUCCESS, True, False),
        ([R.DELIVERED, R.REFUSED], DeliveryStatus.PARTIAL, True, False),
        ([R.DELIVERED, R.TEMP_FAILED], DeliveryStatus.PARTIAL, True, True),
        ([R.TEMP_FAILED], DeliveryStatus.TEMP_FAILED, True, True),
        ([R.UNCERTAIN, R.TEMP_FAILED], DeliveryStatus.UNCERTAIN, True, False),
        ([R.REFUSED, R.WITHHELD], DeliveryStatus.REJECTED, True, False),
        ([R.EXPIRED], DeliveryStatus.EXPIRED, True, False),
        ([R.CANCELLED], DeliveryStatus.CANCELLED, True, False),
        ([R.FAILED], DeliveryStatus.FAILED, True, False),
    ],
)
def test_a_result_tells_what_callers_branch_on(statuses, status, final, retryable):
    found = delivery_result(a_delivery(*statuses))

    assert (found.status, found.is_final, found.is_retryable) == (
        status,
        final,
        retryable,
    )


REFUSED = failed(R.REFUSED, reason=FailureReason.ADDRESS_UNKNOWN, reply=NO)
DEFERRED = failed(R.DEFERRED, reason=FailureReason.RATE, reply=NOT_NOW)
BROKEN = failed(R.FAILED, reason=FailureReason.INTERNAL, detail="incident 7")
UNSURE = failed(
    R.UNCERTAIN, reason=FailureReason.NETWORK, reply=YES, detail="link lost"
)
DELIVERED = failed(R.DELIVERED, reply=YES)


@pytest.mark.parametrize(
    ("recipients", "reason", "code", "detail"),
    [
        ([DELIVERED], FailureReason.UNSPECIFIED, 0, ""),
        ([DELIVERED, REFUSED], FailureReason.ADDRESS_UNKNOWN, 550, ""),
        ([REFUSED, BROKEN], FailureReason.INTERNAL, 0, "incident 7"),
        ([REFUSED, DEFERRED], FailureReason.RATE, 451, ""),
        ([UNSURE, REFUSED], FailureReason.NETWORK, 0, "link lost"),
    ],
)
def test_the_failure_that_decided_is_told(recipients, reason, code, detail):
    found = delivery_result(with_recipients(*recipients))

    assert (found.reason, found.smtp_error.code, found.detail) == (reason, code, detail)
    assert found.HasField("smtp_error") is bool(code)


def test_the_next_attempt_is_told_while_we_go_on():
    assert delivery_result(with_recipients(DEFERRED)).next_attempt_at == stamp(LATER)


@pytest.mark.parametrize(
    "delivery",
    [a_delivery(R.PENDING), under_way(R.DEFERRED, due_at=NOW), a_delivery(R.FAILED)],
    ids=["queued", "sending", "over"],
)
def test_the_next_attempt_is_told_for_retry_alone(delivery):
    assert not delivery_result(delivery).HasField("next_attempt_at")


@pytest.mark.parametrize(("made", "retries"), [(0, 0), (1, 0), (2, 1), (9, 8)])
def test_retries_are_the_attempts_after_the_first(made, retries):
    delivery = a_delivery(R.DELIVERED, attempts_made=made)

    assert delivery_result(delivery).retry_count == retries


def test_the_attempt_under_way_is_told_too():
    delivery = under_way(
        R.DEFERRED, attempts=(an_attempt(1, ended_at=NOW),), attempts_made=1
    )
    found = delivery_result(delivery)

    assert [a.number for a in found.attempts] == [1, 2]
    assert found.attempts[1].outcome == AttemptOutcome.RUNNING
    assert found.attempts[1].started_at == stamp(NOW)
    assert found.attempts[1].relay == "relays/main"
    assert not found.attempts[1].HasField("ended_at")
    assert found.attempts_omitted == 0


@pytest.mark.parametrize("running", [False, True])
def test_of_many_attempts_the_first_and_the_last_are_told(running):
    made = 40
    kept = (1, *range(made - ATTEMPTS_KEPT + 1, made + 1))
    delivery = a_delivery(
        R.DEFERRED, attempts=tuple(map(an_attempt, kept)), attempts_made=made
    )
    if running:
        delivery = replace(delivery, leased_at=NOW, due_at=None, attempts_made=made + 1)
    found = delivery_result(delivery)

    last = delivery.attempts_made
    assert [a.number for a in found.attempts] == [
        1,
        *range(last - ATTEMPTS_KEPT + 1, last + 1),
    ]
    assert found.attempts_omitted == last - ATTEMPTS_KEPT - 1


def test_a_brief_view_leaves_recipients_and_attempts_out():
    delivery = with_recipients(REFUSED, attempts=(FULL_ATTEMPT,), attempts_made=3)
    full = stored_delivery(delivery, Limits(), full=True)
    brief = stored_delivery(delivery, Limits(), full=False)

    for field in ("recipients", "attempts", "attempts_omitted"):
        full.result.ClearField(field)
    assert brief == full


def test_no_return_path_is_written_as_the_contract_has_it():
    found = stored_delivery(a_delivery(envelope_from=""), Limits(), full=True)

    assert found.envelope_from == "<>"


def test_labels_are_told_as_they_were_given():
    delivery = a_delivery(metadata=(("a", "1"), ("b", "2")), tags=("z", "a"))
    found = stored_delivery(delivery, Limits(), full=False)

    assert dict(found.metadata) == {"a": "1", "b": "2"}
    assert list(found.tags) == ["z", "a"]


def test_content_is_purged_a_day_after_the_end():
    found = stored_delivery(
        a_delivery(R.DELIVERED), Limits(content_retention=3600.0), full=True
    )

    assert found.purge_at == stamp(LATER)


def test_what_is_not_over_is_not_purged():
    found = stored_delivery(a_delivery(R.PENDING), Limits(), full=True)

    assert not found.HasField("purge_at")


def test_a_purged_mail_shows_no_subject():
    delivery = a_delivery(R.DELIVERED, content_purged=True)

    assert stored_delivery(delivery, Limits(), full=True).subject == ""


@pytest.mark.parametrize(
    ("delivery", "outcome"),
    [
        (a_delivery(R.CANCELLED), delivery_requests_pb2.CANCEL_OUTCOME_CANCELLED),
        (
            a_delivery(R.CANCELLED, R.DELIVERED),
            delivery_requests_pb2.CANCEL_OUTCOME_CANCELLED,
        ),
        (under_way(R.PENDING), delivery_requests_pb2.CANCEL_OUTCOME_PENDING),
    ],
    ids=["over", "partly delivered", "under way"],
)
def test_a_cancellation_is_pending_until_the_attempt_ends(delivery, outcome):
    found = cancel_response(delivery)

    assert (found.outcome, found.result) == (outcome, delivery_result(delivery))


def test_no_field_of_a_validation_report_is_forgotten():
    report = ValidationReport(
        size_bytes=7,
        relay="relays/main",
        envelope_from="<>",
        recipients=(RecipientPlan("Ada@Example.com", "Ada@example.com"),),
        warnings=("odd",),
    )
    found = validation_report(report)

    assert list(unset(found)) == []
    assert found.recipients[0].envelope_address == "Ada@example.com"


def test_every_status_of_the_domain_has_its_number_in_the_contract():
    numbers = {s.value for s in DeliveryStatus}

    assert numbers == {*delivery_pb2.DeliveryStatus.values()}
