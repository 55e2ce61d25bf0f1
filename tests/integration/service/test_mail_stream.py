"""SendMessages, to the service as a whole."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from postroom.v1 import delivery_pb2 as delivery_pb
from postroom.v1 import delivery_requests_pb2 as requests_pb
from postroom.v1 import error_reason_pb2 as reasons
from postroom.v1 import send_pb2 as send_pb
from postroom.v1 import send_stream_pb2 as wire
from postroom_server.delivery import waiting
from postroom_server.delivery.relay_control import PauseOrder

from tests.support.mail_streams import MailStream, error_reason
from tests.support.service import CALL, a_request, plain, running
from tests.support.silence import silent_relay

ACCEPTED = send_pb.COMPLETION_ACCEPTED
QUEUED = delivery_pb.DELIVERY_STATUS_QUEUED
SUCCESS = delivery_pb.DELIVERY_STATUS_SUCCESS
REUSED = reasons.ERROR_REASON_REQUEST_ID_REUSED
ONCE = send_pb.RetryPolicy(disabled=True)


@pytest.fixture
def stream(service):
    with MailStream(service) as stream:
        yield stream


@pytest.fixture
def stuck(tmp_path, relay):
    """A service with a relay, "main", that never says a word, and another."""
    with silent_relay() as silent:
        relays = {"main": plain(silent.port, pool_size=2), "other": plain(relay.port)}
        with running(tmp_path, relays, relay) as service:
            yield service


def test_the_window_comes_before_anything_is_sent(stream):
    frame = stream.frame()

    assert frame.window.max_unanswered == 1000


def test_each_mail_is_answered_once_with_its_own_key(service, stream):
    for number in range(50):
        stream.send(f"key {number}", to=f"n{number}@example.com")
    stream.half_close()

    answers = list(stream.rest())

    assert sorted(a.index for a in answers) == list(range(50))
    assert {a.key: a.result.recipients[0].address for a in answers} == {
        f"key {n}": f"n{n}@example.com" for n in range(50)
    }
    assert {a.result.status for a in answers} == {SUCCESS}
    assert len(service.relay.messages) == 50


def test_a_stream_without_mail_ends_with_its_half_close(stream):
    stream.half_close()

    assert list(stream.rest()) == []
    assert stream.call.code() is grpc.StatusCode.OK


@pytest.mark.parametrize(
    ("raw", "key", "expected"),
    [
        (b"\xff\xff", "", "MALFORMED_REQUEST"),
        (b"\x0a\x02\xff\xfe", "", "MALFORMED_REQUEST"),
        (wire.SendMessagesRequest(key="k"), "k", "INVALID_REQUEST"),
        (wire.SendMessagesRequest(key="é" * 129, request=a_request()), "é" * 126 + "…", "INVALID_REQUEST"),
        (b"\x0a\x01k\x92\x7d\x00", "k", "UNKNOWN_FIELD"),
        (wire.SendMessagesRequest(key="k", request=a_request(to="")), "k", "INVALID_MESSAGE"),
        (wire.SendMessagesRequest(key="k", request=a_request(relay="relays/no")), "k", "RELAY_NOT_FOUND"),
        (wire.SendMessagesRequest(key="k", request=a_request(request_id="ä")), "k", "INVALID_REQUEST"),
    ],
)  # fmt: skip
def test_a_bad_item_is_told_and_the_stream_goes_on(stream, raw, key, expected):
    stream.give_raw(raw if isinstance(raw, bytes) else raw.SerializeToString())
    bad = stream.outcome()
    stream.send("good")
    good = stream.outcome()

    assert (bad.index, bad.key, error_reason(bad)) == (0, key, expected)
    assert (good.index, good.key, good.result.status) == (1, "good", SUCCESS)


def test_an_item_s_error_says_what_a_call_would_have_said(service, stream):
    request = a_request(to="ada@@example.com", message={"subject": "a\nb"})
    with pytest.raises(grpc.RpcError) as refused:
        service.stub.SendMessage(request, timeout=CALL)
    stream.give(request)

    error = stream.outcome().error

    assert error.code == refused.value.code().value[0]
    assert error.message == refused.value.details()
    assert [v.field for v in error.violations] == [
        "message.to[0].address",
        "message.subject",
    ]


def test_a_key_that_still_waits_is_refused_and_is_free_afterwards(stuck):
    with MailStream(stuck) as stream:
        stream.send("k", relay="relays/main", wait_timeout=Duration(seconds=20))
        stream.send("k", relay="relays/other")
        refused = stream.outcome()
        stream.send("other", relay="relays/other")
        stream.outcome()
        stream.send("other", relay="relays/other")
        again = stream.outcome()

    assert (refused.index, error_reason(refused)) == (1, "INVALID_REQUEST")
    assert refused.error.violations[0].field == "key"
    assert (again.index, again.result.status) == (3, SUCCESS)


def test_a_relay_that_hangs_holds_up_no_other_mail_of_the_stream(stuck):
    with MailStream(stuck) as stream:
        for _ in range(5):
            stream.send("slow", relay="relays/main")
        for number in range(20):
            stream.send(f"{number}", relay="relays/other")

        answers = [stream.outcome() for _ in range(24)]

    assert {a.key for a in answers if a.HasField("result")} == {
        str(number) for number in range(20)
    }
    assert sum(a.HasField("error") for a in answers) == 4, "keys that waited"


def test_what_was_not_begun_in_its_time_is_withdrawn_and_told(stuck, monkeypatch):
    # The store of a busy machine may take longer than a caller can wait.
    monkeypatch.setattr(waiting, "BREAKING_OFF", CALL)
    short = Duration(nanos=300_000_000)
    with MailStream(stuck) as stream:
        stream.send("begun")
        stream.send("begun too")
        for number in range(4):
            stream.send(wait_timeout=short, request_id=f"r-{number}")

        answers = [stream.outcome() for _ in range(4)]

    assert {error_reason(a) for a in answers} == {"DEADLINE_PASSED"}


def test_only_checking_sends_nothing(service, stream):
    stream.send("k", validate_only=True)

    answer = stream.outcome()

    assert answer.validation.relay == "relays/main"
    assert service.relay.messages == ()


def test_accepted_mail_is_answered_when_it_is_stored(service, stream):
    stream.send(completion=ACCEPTED)

    answer = stream.outcome()

    assert answer.result.status == QUEUED
    assert service.settled(answer.result.delivery).status == SUCCESS


def test_the_same_request_twice_in_a_stream_is_one_mail(service, stream):
    for _ in range(2):
        stream.send(request_id="r-1")

    answers = stream.outcomes(2).values()

    assert len({a.result.delivery for a in answers}) == 1
    assert sorted(a.result.replayed for a in answers) == [False, True]
    assert {a.result.status for a in answers} == {SUCCESS}
    assert len(service.relay.messages) == 1


def test_a_request_that_was_made_in_a_call_of_its_own_is_not_repeated(service, stream):
    before = service.send(request_id="r-1")
    stream.send(request_id="r-1")
    stream.send(request_id="r-1", to="bob@example.com")

    same, other = (a for _, a in sorted(stream.outcomes(2).items()))

    assert same.result.delivery == before.delivery
    assert same.result.replayed
    assert other.error.reason == REUSED
    assert other.error.metadata["delivery"] == before.delivery


def test_a_repetition_that_could_not_be_accepted_now_is_answered(service, stream):
    """Its relay is paused meanwhile; what came of it before is known all the same."""
    before = service.send(request_id="r-1")
    service.app.engine.relay_control.pause(
        PauseOrder("relays/main", "for a test", "me")
    )
    stream.send(request_id="r-1")
    stream.send(request_id="r-2")

    same, other = (a for _, a in sorted(stream.outcomes(2).items()))

    assert same.result.delivery == before.delivery
    assert error_reason(other) == "RELAY_PAUSED"


def test_a_mail_that_was_put_off_goes_on_with_the_same_request(service, stream):
    service.relay.fail_next("MAIL", "451 4.3.0 later")
    stream.send(request_id="r-1", retry=ONCE)
    first = stream.outcome()
    stream.send(request_id="r-1", retry=ONCE)
    again = stream.outcome()

    assert first.result.is_retryable
    assert again.result.status == SUCCESS
    assert again.result.message_id == first.result.message_id


def test_a_caller_who_goes_away_gives_up_what_was_to_be_relayed_alone(stuck):
    with MailStream(stuck) as stream:
        stream.send("a", request_id="r-a")
        stream.send("b", request_id="r-b", completion=ACCEPTED)
        accepted = stream.outcome()
        stream.call.cancel()

    asked = requests_pb.GetDeliveryRequest(request_id="r-a")
    found = stuck.stub.GetDelivery(asked, timeout=CALL).delivery
    given_up = stuck.settled(found.name)
    waits = stuck.get(accepted.result.delivery).result
    assert given_up.status == delivery_pb.DELIVERY_STATUS_TEMP_FAILED
    assert not waits.is_final


def test_an_item_that_is_too_large_for_a_frame_ends_the_stream(stream):
    stream.give_raw(bytes(11 * 1024 * 1024))

    with pytest.raises(grpc.RpcError) as ended:
        list(stream.rest())

    assert ended.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_an_open_circuit_is_told_of_each_mail(tmp_path, relay):
    with running(tmp_path, {"main": plain(1)}, relay) as service:
        for _ in range(10):
            service.send(retry=ONCE)
        with MailStream(service) as stream:
            for _ in range(3):
                stream.send(retry=ONCE)
            answers = stream.outcomes(3).values()

    assert {a.result.status for a in answers} == {
        delivery_pb.DELIVERY_STATUS_TEMP_FAILED
    }
