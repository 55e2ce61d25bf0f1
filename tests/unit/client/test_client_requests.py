from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from postroom import (
    Attachment,
    Dsn,
    DsnNotify,
    InvalidRequest,
    Mailbox,
    RetryPolicy,
    Status,
    Unsubscribe,
    words,
)
from postroom._calls import (
    cancel_request,
    get_request,
    list_request,
    relay_name,
    reschedule_request,
    retry_request,
)
from postroom._outgoing import to_send
from postroom.messages import guessed_type
from postroom.results import DeliveryResult
from postroom.v1 import delivery_pb2, delivery_requests_pb2, message_pb2, send_pb2

NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)
MAIL = {"to": "ada@example.com", "subject": "Hello", "text": "It works."}


def _sent(**arguments):
    return _request(MAIL | arguments)


def _request(given):
    with to_send(None, given, NOW) as found:
        assert found.parts == ()
        return found.request


def test_a_mail_reads_like_a_mail():
    request = _sent(
        to=["Ada <ada@example.com>", Mailbox("bob@example.com")],
        cc="cc@example.com",
        bcc=("bcc@example.com",),
        from_="Me <me@example.com>",
        sender="sender@example.com",
        reply_to="reply@example.com",
        html="<p>It works.",
        message_id="<1@example.com>",
        envelope_from="<>",
    )

    mailbox = message_pb2.Mailbox
    assert request.message == message_pb2.Message(
        from_mailbox=mailbox(address="me@example.com", name="Me"),
        sender=mailbox(address="sender@example.com"),
        reply_to=[mailbox(address="reply@example.com")],
        to=[
            mailbox(address="ada@example.com", name="Ada"),
            mailbox(address="bob@example.com"),
        ],
        cc=[mailbox(address="cc@example.com")],
        bcc=[mailbox(address="bcc@example.com")],
        subject="Hello",
        text_body="It works.",
        html_body="<p>It works.",
        message_id="<1@example.com>",
        envelope_from="<>",
    )


@pytest.mark.parametrize(
    "headers", [{"X-A": "1", "X-B": "2"}, [("X-A", "1"), ("X-B", "2")]]
)
def test_headers_are_a_mapping_or_pairs(headers):
    found = _sent(headers=headers).message.headers

    assert [(header.name, header.value) for header in found] == [
        ("X-A", "1"),
        ("X-B", "2"),
    ]


def test_a_body_that_is_not_given_is_not_set():
    message = _request({"to": "a@example.com", "subject": "x", "html": ""})

    assert message.message.WhichOneof("text") is None
    assert message.message.WhichOneof("html") == "html_body"


def test_a_path_is_read_and_its_type_guessed(tmp_path):
    path = tmp_path / "report.pdf"
    path.write_bytes(b"%PDF")

    assert _sent(attachments=[path, str(path)]).message.attachments[1] == (
        message_pb2.Attachment(
            filename="report.pdf", content_type="application/pdf", data=b"%PDF"
        )
    )


def test_a_file_that_is_not_there_is_told_as_such(tmp_path):
    with pytest.raises(FileNotFoundError):
        _sent(attachments=[tmp_path / "missing"])


def test_an_inline_attachment_has_its_content_id():
    logo = Attachment("a.png", "image/png", b"1", inline=True, content_id="logo")

    (found,) = _sent(attachments=[logo]).message.attachments
    assert found.disposition == message_pb2.DISPOSITION_INLINE
    assert found.content_id == "logo"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.txt", "text/plain"),
        ("a.tar.gz", "application/gzip"),
        ("a.html", "text/html"),
        ("README", "application/octet-stream"),
        ("a.unheard-of", "application/octet-stream"),
    ],
)
def test_types_are_guessed_from_names(name, kind):
    assert guessed_type(name) == kind


def test_a_request_id_is_always_set_and_fresh():
    first, second = _sent(), _sent()

    assert UUID(first.request_id) != UUID(second.request_id)
    assert _sent(request_id="mine").request_id == "mine"


def test_what_is_not_said_is_left_to_the_service():
    request = _sent()
    request.ClearField("message")
    request.ClearField("request_id")

    assert request == send_pb2.SendMessageRequest()


def test_options_go_where_they_belong():
    request = _sent(
        relay="main",
        completion="relayed-or-queued",
        on_uncertain=words.OnUncertain.HOLD,
        wait_timeout=1.5,
        all_recipients_or_none=True,
        expire_at=timedelta(hours=1),
    )

    assert request.relay == "relays/main"
    assert request.completion == send_pb2.COMPLETION_RELAYED_OR_QUEUED
    assert request.on_uncertain == send_pb2.ON_UNCERTAIN_HOLD
    assert request.wait_timeout.ToTimedelta() == timedelta(seconds=1.5)
    assert request.all_recipients_or_none
    assert request.expire_at.ToDatetime(UTC) == NOW + timedelta(hours=1)


def test_a_time_is_taken_with_its_zone():
    there = datetime.fromisoformat("2026-08-01T14:00:00+02:00")

    assert _sent(expire_at=there).expire_at.ToDatetime(UTC) == NOW


@pytest.mark.parametrize("send_at", [timedelta(days=2), NOW + timedelta(days=2)])
def test_mail_for_later_is_a_time_or_a_span(send_at):
    assert _sent(send_at=send_at).send_at.ToDatetime(UTC) == NOW + timedelta(days=2)
    assert not _sent(send_at=None).HasField("send_at")


@pytest.mark.parametrize("priority", ["urgent", words.Priority.URGENT])
def test_priority_is_a_word(priority):
    assert _sent(priority=priority).priority == send_pb2.PRIORITY_URGENT
    assert _sent().priority == send_pb2.PRIORITY_UNSPECIFIED


def test_moving_takes_its_times():
    options = {"send_at": timedelta(hours=1), "expire_at": NOW + timedelta(days=1)}
    request = reschedule_request("1", options, NOW)

    assert request.delivery == "deliveries/1"
    assert request.send_at.ToDatetime(UTC) == NOW + timedelta(hours=1)
    assert request.expire_at.ToDatetime(UTC) == NOW + timedelta(days=1)
    assert UUID(request.request_id)


def test_moving_to_now_names_no_time():
    assert not reschedule_request("1", {}, NOW).HasField("send_at")


def test_a_time_without_a_zone_moves_nothing():
    with pytest.raises(InvalidRequest, match="send_at: has no time zone"):
        reschedule_request("1", {"send_at": datetime(2026, 8, 1)}, NOW)  # noqa: DTZ001  the point


def test_a_span_that_no_calendar_holds_is_told_as_such():
    with pytest.raises(InvalidRequest, match="expire_at: is beyond"):
        _sent(expire_at=timedelta.max)


def test_no_retry_is_a_policy():
    assert _sent(retry=False).retry == send_pb2.RetryPolicy(disabled=True)
    assert not _sent(retry=True).HasField("retry")


def test_a_retry_policy_takes_seconds_and_spans():
    policy = RetryPolicy(
        quick_delays=[0.5, timedelta(seconds=2)], min_delay=10, max_attempts=3
    )
    retry = _sent(retry=policy).retry

    assert [d.ToTimedelta().total_seconds() for d in retry.quick_delays] == [0.5, 2]
    assert retry.min_delay.seconds == 10
    assert not retry.HasField("max_delay")
    assert retry.max_attempts == 3


def test_all_problems_are_told_at_once_and_before_any_call():
    with pytest.raises(InvalidRequest) as refused:
        _sent(
            to=["ada@example.com", "a@example.com, b@example.com"],
            from_="",
            sender="x <",
            completion="soon",
            expire_at=datetime(2026, 8, 1),  # noqa: DTZ001  the point
        )

    error = refused.value
    assert [violation.field for violation in error.violations] == [
        "message.sender",
        "message.to[1].address",
        "completion",
        "expire_at",
    ]
    assert error.result.status is Status.INVALID
    assert error.nothing_sent
    assert "and 3 more" in str(error)


def test_an_argument_that_there_is_not_is_a_type_error():
    with pytest.raises(TypeError, match="'too'"):
        _sent(too="ada@example.com")


def test_a_delivery_is_named_in_full_or_short_or_by_its_result():
    result = DeliveryResult(delivery="deliveries/1")

    names = [get_request(one, None).delivery for one in ("1", "deliveries/1", result)]
    assert names == ["deliveries/1"] * 3


def test_a_delivery_is_asked_for_by_one_name_alone():
    assert get_request(None, "mine").request_id == "mine"
    for both in (("1", "mine"), (None, None)):
        with pytest.raises(TypeError, match="either"):
            get_request(*both)


def test_changes_carry_a_request_id():
    assert UUID(cancel_request("1", None).request_id)
    assert UUID(retry_request("1", {}, NOW).request_id)
    assert cancel_request("1", "mine").request_id == "mine"


def test_going_on_takes_its_options():
    options = {
        "settlement": "send-again",
        "recipients": ["ada@example.com"],
        "completion": "accepted",
        "wait_timeout": timedelta(seconds=3),
        "expire_at": timedelta(hours=2),
        "request_id": "mine",
    }
    request = retry_request("1", options, NOW)

    assert request.settlement == delivery_requests_pb2.SETTLEMENT_SEND_AGAIN
    assert request.recipients == ["ada@example.com"]
    assert request.completion == send_pb2.COMPLETION_ACCEPTED
    assert request.wait_timeout.seconds == 3
    assert request.expire_at.ToDatetime(UTC) == NOW + timedelta(hours=2)


@pytest.mark.parametrize("statuses", ["success", ["success"], Status.SUCCESS])
def test_a_list_is_filtered(statuses):
    conditions = {
        "statuses": statuses,
        "relay": "main",
        "recipient": "ada@example.com",
        "accepted_from": NOW,
        "view": "full",
    }
    request = list_request(conditions, NOW)

    assert request.filter.statuses == [delivery_pb2.DELIVERY_STATUS_SUCCESS]
    assert request.filter.relay == "relays/main"
    assert request.filter.recipient == "ada@example.com"
    assert request.filter.accepted_from.ToDatetime(UTC) == NOW
    assert not request.filter.HasField("accepted_before")
    assert request.view == delivery_requests_pb2.DELIVERY_VIEW_FULL
    assert request.page_size == 50


def test_a_status_that_there_is_not_is_refused():
    with pytest.raises(InvalidRequest, match=r"filter\.statuses\[1\]"):
        list_request({"statuses": ["success", "great"]}, NOW)


@pytest.mark.parametrize(
    ("given", "name"),
    [(None, ""), ("", ""), ("a", "relays/a"), ("relays/a", "relays/a")],
)
def test_a_relay_is_named_in_full_or_short(given, name):
    assert relay_name(given) == name


@pytest.mark.parametrize("tags", ["welcome", ["welcome"], ("welcome",)])
def test_tags_are_one_or_several(tags):
    assert list(_sent(tags=tags).tags) == ["welcome"]


def test_labels_go_as_they_are_and_are_looked_for_as_they_are():
    labels = {"order": "17", "customer": "4"}
    sought = list_request({"tag": "welcome", "metadata": labels}, NOW).filter

    assert dict(_sent(metadata=labels).metadata) == labels
    assert (sought.tag, dict(sought.metadata)) == ("welcome", labels)


def test_metadata_that_is_no_text_is_named():
    with pytest.raises(InvalidRequest) as caught:
        _sent(metadata={"order": 17, "ok": "1"})

    assert [v.field for v in caught.value.violations] == ["metadata[order]"]


def test_ways_to_unsubscribe_go_as_they_are():
    asked = Unsubscribe(
        url="https://example.com/u", mailto="a@b.example", one_click=True
    )
    found = _sent(unsubscribe=asked).message.unsubscribe

    assert (found.url, found.mailto, found.one_click) == (asked.url, asked.mailto, True)


@pytest.mark.parametrize("notify", ["success", ["SUCCESS"], DsnNotify.SUCCESS])
def test_notifications_are_asked_for_in_words(notify):
    asked = Dsn(notify=notify, return_content="full", envelope_id="x", required=True)

    assert _sent(dsn=asked).dsn == send_pb2.Dsn(
        notify=[send_pb2.DSN_NOTIFY_SUCCESS],
        return_content=send_pb2.DSN_RETURN_FULL,
        envelope_id="x",
        required=True,
    )


@pytest.mark.parametrize(("dsn", "asks"), [(Dsn(), True), (None, False)])
def test_asking_for_what_the_relay_has_is_asking(dsn, asks):
    assert _sent(dsn=dsn).HasField("dsn") is asks


def test_words_of_notifications_that_there_are_not_are_named():
    with pytest.raises(InvalidRequest) as caught:
        _sent(dsn=Dsn(notify=["never", "later"], return_content="half"))

    assert [v.field for v in caught.value.violations] == [
        "dsn.notify[1]",
        "dsn.return_content",
    ]
