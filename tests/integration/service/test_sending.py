from __future__ import annotations

import email
import email.policy

import pytest
from google.protobuf.duration_pb2 import Duration
from postroom.v1 import attempt_pb2 as attempt_pb
from postroom.v1 import delivery_pb2 as delivery_pb
from postroom.v1 import message_pb2 as message_pb
from postroom.v1 import send_pb2 as send_pb

QUICK = send_pb.RetryPolicy(quick_delays=[Duration(nanos=100_000_000)] * 3)
ONCE = send_pb.RetryPolicy(disabled=True)


def test_a_mail_with_text_html_and_attachment_arrives_as_it_was_asked_for(service):
    result = service.send(
        to="ada@example.com",
        message={
            "cc": [message_pb.Mailbox(address="bob@example.com", name="Bób")],
            "bcc": [message_pb.Mailbox(address="cyd@example.com")],
            "html_body": "<p>It works.</p>",
            "attachments": [
                message_pb.Attachment(
                    filename="naïve.pdf", content_type="application/pdf", data=b"%PDF"
                )
            ],
        },
    )

    (received,) = service.relay.messages
    mail = email.message_from_bytes(received.data, policy=email.policy.default)
    assert result.status == delivery_pb.DELIVERY_STATUS_SUCCESS
    assert result.is_final
    assert not result.is_retryable
    assert result.message_id == mail["Message-ID"]
    assert result.size_bytes == len(received.data)
    assert [r.address for r in result.recipients] == [
        "ada@example.com",
        "bob@example.com",
        "cyd@example.com",
    ]
    assert set(received.recipients) == {r.address for r in result.recipients}
    assert b"cyd@example.com" not in received.data
    assert [p.get_filename() for p in mail.iter_attachments()] == ["naïve.pdf"]
    assert mail.get_body(("plain",)).get_content().strip() == "It works."


def test_the_attempt_tells_its_way_to_the_relay(service):
    result = service.send()

    (attempt,) = result.attempts
    assert attempt.number == 1
    assert attempt.outcome == attempt_pb.ATTEMPT_OUTCOME_ACCEPTED
    assert attempt.phase == attempt_pb.PHASE_END_OF_DATA
    assert attempt.remote == f"127.0.0.1:{service.relay.port} [127.0.0.1]"
    assert attempt.recipients_delivered == 1
    assert {t.phase for t in attempt.timings} >= {
        attempt_pb.PHASE_CONNECT,
        attempt_pb.PHASE_EHLO,
        attempt_pb.PHASE_END_OF_DATA,
    }


def test_a_second_mail_uses_the_session_of_the_first(service):
    service.send()
    second = service.send()

    assert second.attempts[0].session_reused
    assert service.relay.sessions_opened == 1


def test_a_refused_recipient_does_not_keep_the_mail_from_the_others(service):
    service.relay.refuse("bob@example.com", "550 5.1.1 no such user")

    result = service.send(to="ada@example.com bob@example.com")

    ada, bob = result.recipients
    assert result.status == delivery_pb.DELIVERY_STATUS_PARTIAL
    assert ada.status == delivery_pb.RECIPIENT_STATUS_DELIVERED
    assert bob.status == delivery_pb.RECIPIENT_STATUS_REFUSED
    assert (bob.reply.code, bob.reply.enhanced_code) == (550, "5.1.1")
    assert bob.reason == attempt_pb.FAILURE_REASON_ADDRESS_UNKNOWN
    assert service.relay.messages[0].recipients == ("ada@example.com",)


def test_a_mail_that_everybody_refuses_is_rejected(service):
    service.relay.refuse("ada@example.com", "550 5.1.1 no such user")

    result = service.send()

    assert result.status == delivery_pb.DELIVERY_STATUS_REJECTED
    assert result.smtp_error.code == 550
    assert not result.is_retryable


def test_a_refused_sender_rejects_the_mail(service):
    service.relay.fail_next("MAIL", "550 5.7.1 not you")

    result = service.send()

    assert result.status == delivery_pb.DELIVERY_STATUS_REJECTED
    assert result.reason == attempt_pb.FAILURE_REASON_SENDER_REFUSED


def test_refused_content_fails_the_mail(service):
    service.relay.fail_next("END", "554 5.6.0 spam")

    result = service.send()

    assert result.status == delivery_pb.DELIVERY_STATUS_FAILED
    assert result.reason == attempt_pb.FAILURE_REASON_CONTENT


def test_a_temporary_failure_is_tried_again_with_the_same_message_id(service):
    service.relay.fail_next("END", "451 4.3.0 later", times=2)

    result = service.send(retry=QUICK)

    (received,) = service.relay.messages
    assert result.status == delivery_pb.DELIVERY_STATUS_SUCCESS
    assert result.retry_count == 2
    assert [a.outcome for a in result.attempts] == [
        attempt_pb.ATTEMPT_OUTCOME_TEMP_FAILED,
        attempt_pb.ATTEMPT_OUTCOME_TEMP_FAILED,
        attempt_pb.ATTEMPT_OUTCOME_ACCEPTED,
    ]
    assert result.message_id.encode() in received.data
    assert not result.maybe_duplicate


def test_the_delivered_are_not_sent_to_again_when_another_is_put_off(service):
    service.relay.fail_next("RCPT", "450 4.2.0 greylisted")

    result = service.send(to="ada@example.com bob@example.com", retry=QUICK)

    assert result.status == delivery_pb.DELIVERY_STATUS_SUCCESS
    assert [m.recipients for m in service.relay.messages] == [
        ("bob@example.com",),
        ("ada@example.com",),
    ]


@pytest.mark.parametrize(
    "reply", ["421 4.3.2 bye", "450 4.2.0 later", "451 4.3.0 no", "452 4.3.1 full"]
)
def test_quick_retries_end_with_their_number(service, reply):
    service.relay.fail_next("RCPT", reply, times=20)

    result = service.send(retry=QUICK)

    assert result.status == delivery_pb.DELIVERY_STATUS_TEMP_FAILED
    assert result.retry_count == 3
    assert result.is_retryable


def test_without_retry_a_temporary_failure_is_answered_at_once(service):
    service.relay.fail_next("MAIL", "451 4.3.0 later")

    result = service.send(retry=ONCE)

    assert result.status == delivery_pb.DELIVERY_STATUS_TEMP_FAILED
    assert len(result.attempts) == 1


def test_a_delay_that_does_not_fit_the_deadline_is_not_waited_for(service):
    service.relay.fail_next("MAIL", "451 4.3.0 later")
    policy = send_pb.RetryPolicy(quick_delays=[Duration(seconds=60)])

    result = service.send(retry=policy)

    assert result.status == delivery_pb.DELIVERY_STATUS_TEMP_FAILED


def test_all_or_none_sends_to_nobody_when_one_is_refused(service):
    service.relay.refuse("bob@example.com", "550 5.1.1 no such user")

    result = service.send(
        to="ada@example.com bob@example.com", all_recipients_or_none=True
    )

    assert service.relay.messages == ()
    assert [r.status for r in result.recipients] == [
        delivery_pb.RECIPIENT_STATUS_WITHHELD,
        delivery_pb.RECIPIENT_STATUS_REFUSED,
    ]
    assert result.status == delivery_pb.DELIVERY_STATUS_REJECTED


def test_all_or_none_sends_when_all_are_accepted(service):
    result = service.send(
        to="ada@example.com bob@example.com", all_recipients_or_none=True
    )

    assert result.status == delivery_pb.DELIVERY_STATUS_SUCCESS
    assert len(service.relay.messages) == 1


def test_validate_only_tells_what_would_be_sent_and_sends_nothing(service):
    report = service.stub.SendMessage(
        send_pb.SendMessageRequest(
            message=message_pb.Message(
                from_mailbox=message_pb.Mailbox(address="me@example.com"),
                to=[message_pb.Mailbox(address="jörg@bücher.example")],
                subject="s",
                text_body="t",
            ),
            validate_only=True,
        ),
        timeout=10,
    ).validation

    assert report.relay == "relays/main"
    assert report.envelope_from == "me@example.com"
    assert report.recipients[0].envelope_address == "jörg@xn--bcher-kva.example"
    assert report.size_bytes > 0
    assert service.relay.messages == ()


def test_a_non_ascii_address_goes_to_a_relay_that_offers_smtputf8(service):
    result = service.send(to="jörg@bücher.example")

    assert result.status == delivery_pb.DELIVERY_STATUS_SUCCESS
    assert service.relay.messages[0].recipients == ("jörg@xn--bcher-kva.example",)
