"""What holds between the streams of one `send_many`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom import Mailbox, Overloaded, RawMessage, Sent
from postroom._attempts import Terms
from postroom._failures import Failure
from postroom._many import MOST_OCTETS, Course, common_of, mail_of
from postroom._retry import Surroundings
from postroom.errors import InvalidRequest, NotFound, ResourceExhausted
from postroom.v1 import delivery_pb2, error_reason_pb2, send_pb2
from postroom.v1 import send_stream_pb2 as wire

AWAY = Failure(code="UNAVAILABLE", text="away")
DRAINING = error_reason_pb2.ERROR_REASON_DRAINING
TOO_LARGE = "x" * (MOST_OCTETS // 2)


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def course_of(window=10, clock=None, *, begun=True):
    terms = Terms(
        target="x",
        timeout=10.0,
        surroundings=Surroundings(clock=clock or Clock(), chance=lambda: 0.5),
    )
    course = Course(terms, {}, window)
    if begun:
        course.begin()
    return course


def request(name):
    return send_pb2.SendMessageRequest(request_id=str(name))


def told(course, *frames, now=0.0):
    return [one for frame in frames for one in course.take(frame, now)]


def window(size):
    return wire.SendMessagesResponse(window=wire.StreamWindow(max_unanswered=size))


def success(index, name="deliveries/1"):
    result = delivery_pb2.DeliveryResult(delivery=name)
    return wire.SendMessagesResponse(
        outcome=wire.ItemOutcome(index=index, result=result)
    )


def error(index, code=3, reason=error_reason_pb2.ERROR_REASON_INVALID_MESSAGE, **told):
    refused = error_reason_pb2.ItemError(code=code, reason=reason, **told)
    return wire.SendMessagesResponse(
        outcome=wire.ItemOutcome(index=index, error=refused)
    )


def busy(index, reason=error_reason_pb2.ERROR_REASON_OVERLOADED, seconds=2):
    frame = error(index, 14, reason, message="busy")
    frame.outcome.error.retry_delay.seconds = seconds
    return frame


def sent(course, now=0.0):
    return [item.request.request_id for item in course.to_send(now)]


def test_nothing_goes_beyond_what_the_service_said():
    course = course_of()
    for name in range(5):
        course.add(name, request(name))

    first = sent(course)
    told(course, window(3))
    second = sent(course)
    told(course, success(0))

    assert (first, second, sent(course)) == (["0"], ["1", "2"], ["3"])


def test_there_is_room_for_a_window_and_no_more():
    course = course_of(window=2)
    course.add("a", request("a"))
    assert course.has_room
    course.add("b", request("b"))
    assert not course.has_room

    sent(course)
    told(course, success(0))

    assert course.has_room


def test_large_mails_wait_for_room():
    course = course_of()
    for name in "ab":
        course.add(name, send_pb2.SendMessageRequest(relay=TOO_LARGE))

    assert not course.has_room


@pytest.mark.parametrize("size", [0, -1])
def test_a_window_for_nothing_is_refused(size):
    with pytest.raises(ValueError, match="window"):
        course_of(window=size)


def test_what_has_no_answer_goes_again_in_its_order_over_the_next_stream():
    course = course_of()
    for name in "abcd":
        course.add(name, request(name))
    told(course, window(3))
    sent(course)
    told(course, success(1))

    assert course.pause_after(AWAY) is not None
    course.begin()
    told(course, window(10))

    assert sent(course) == ["a", "c", "d"]
    assert [one.key for one in told(course, success(1))] == ["c"]


def test_a_mail_that_was_put_off_goes_when_it_was_told_to():
    course = course_of()
    course.add("a", request("a"))
    sent(course)

    assert told(course, busy(0, seconds=2)) == []
    assert course.unanswered == 1
    assert course.next_at() == pytest.approx(2.25)
    assert sent(course, now=2.0) == []
    assert sent(course, now=2.3) == ["a"]


def test_a_mail_that_is_put_off_for_too_long_is_told():
    clock = Clock()
    course = course_of(clock=clock)
    course.add("a", request("a"))
    sent(course)
    told(course, busy(0, seconds=2))
    clock.now = 9.5
    sent(course, now=9.5)

    (answer,) = told(course, busy(1, seconds=2), now=9.5)

    assert isinstance(answer.error, Overloaded)
    assert answer.error.nothing_sent
    assert answer.error.retry_after == 2.0


def test_a_service_that_leaves_is_given_nothing_more():
    course = course_of()
    for name in "ab":
        course.add(name, request(name))
    sent(course)

    assert told(course, window(5), busy(0, DRAINING, seconds=0)) == []
    assert sent(course, now=5.0) == []
    course.begin()
    told(course, window(5))
    assert sorted(sent(course, now=5.0)) == ["a", "b"]


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (3, "INVALID_MESSAGE", InvalidRequest),
        (5, "RELAY_NOT_FOUND", NotFound),
        (8, "RATE_LIMITED", ResourceExhausted),
    ],
)
def test_an_item_s_error_is_what_a_send_would_have_raised(code, reason, kind):
    course = course_of()
    course.add("a", request("r-1"))
    sent(course)
    number = error_reason_pb2.ErrorReason.Value(f"ERROR_REASON_{reason}")
    violation = error_reason_pb2.FieldViolation(field="f", description="d")

    (answer,) = told(
        course, error(0, code, number, message="no", violations=[violation])
    )

    assert isinstance(answer, Sent)
    assert not answer.ok
    assert type(answer.error) is kind
    assert answer.error.reason == reason
    assert answer.error.request_id == "r-1"
    assert answer.error.nothing_sent
    with pytest.raises(kind):
        answer.outcome()


def test_an_answer_that_nobody_waits_for_is_nothing():
    assert told(course_of(), success(7)) == []


def test_a_stream_that_answered_gives_the_service_all_its_time_again():
    clock = Clock()
    course = course_of(clock=clock)
    course.add("a", request("a"))
    course.add("b", request("b"))
    sent(course)
    clock.now = 9.9
    told(course, success(0))

    assert course.pause_after(AWAY) is not None
    course.begin()
    clock.now = 30.0
    assert course.pause_after(AWAY) is None


def test_the_time_until_the_first_mail_is_none_that_the_service_was_away():
    clock = Clock()
    course = course_of(clock=clock, begun=False)
    clock.now = 60.0
    course.add("a", request("a"))
    course.begin()

    assert course.pause_after(AWAY) is not None


def test_what_a_broken_stream_may_have_brought_stays_in_doubt():
    course = course_of()
    for name in "ab":
        course.add(name, request(name))
    sent(course)
    course.pause_after(AWAY)
    course.begin()
    told(course, window(10))
    sent(course)

    first, second = told(course, error(0), error(1))

    assert not first.error.nothing_sent
    assert second.error.nothing_sent, "it had not been sent before"


def test_a_whole_mail_has_options_alone():
    raw = RawMessage(b"x", envelope_from="", recipients=["ada@example.com"])

    assert mail_of(raw, {"relay": "main"}) == (raw, {"relay": "main"})


def test_what_a_mail_says_goes_before_what_holds_for_all():
    _, given = mail_of({"subject": "own"}, {"subject": "all", "text": "x"})

    assert given == {"subject": "own", "text": "x"}


@pytest.mark.parametrize("name", ["timeout", "traceparent"])
def test_what_is_for_all_is_refused_of_one(name):
    with pytest.raises(TypeError, match=name):
        mail_of({"to": Mailbox("a@example.com"), name: None}, {})


@pytest.mark.parametrize("name", ["request_id", "message_id"])
def test_what_is_each_mail_s_own_is_refused_for_all(name):
    with pytest.raises(TypeError, match=name):
        common_of({name: "x"})


class Service:
    """Answers what came over the stream that is open, in whatever order."""

    def __init__(self, size, random):
        self.clock, self.random, self.size = Clock(), random, size
        self.course = course_of(size, self.clock)
        self.keys = 0
        self.answered = []
        self.open()

    def open(self):
        self.count, self.waiting = 0, {}
        self.hear(window(self.size))

    def take(self):
        for item in self.course.to_send(self.clock.now):
            self.waiting[self.count] = item.request.request_id
            self.count += 1

    def hear(self, frame):
        index = frame.outcome.index
        for one in told(self.course, frame, now=self.clock.now):
            assert str(one.key) == self.waiting[index], "an answer to another mail"
            self.answered.append(one.key)
        if frame.HasField("outcome"):
            del self.waiting[index]

    def add(self):
        if self.course.has_room:
            self.course.add(self.keys, request(self.keys))
            self.keys += 1

    def step(self, step):
        self.clock.now += 0.01
        if step == "add":
            self.add()
        elif step == "break":
            self.course.pause_after(AWAY)
            self.course.begin()
            self.open()
        elif step == "window":
            self.hear(window(self.random.randint(1, self.size)))
        elif self.waiting:
            index = self.random.choice(sorted(self.waiting))
            self.hear(ANSWERS[step](index))
        self.take()


ANSWERS = {
    "success": success,
    "error": error,
    "busy": lambda index: busy(index, seconds=0),
    "draining": lambda index: busy(index, DRAINING, seconds=0),
}
STEPS = st.lists(st.sampled_from([*ANSWERS, "add", "add", "break", "window"]))


@given(STEPS, st.integers(1, 8), st.randoms(use_true_random=False))
def test_every_mail_is_told_once_and_is_one_request(script, size, random):
    """Whatever a service does, and however often its streams break."""
    service = Service(size, random)
    for step in script:
        service.step(step)
        assert service.course.unanswered <= size
    for step in ["break", *["success"] * 20]:
        service.step(step)

    assert service.answered == list(dict.fromkeys(service.answered))
    assert sorted(service.answered) == list(range(service.keys))
    assert service.course.unanswered == 0
