"""Tokens: asked for once for all who want one, in time, and never shown."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from postroom_server.domain.attempt import FailureReason
from postroom_server.domain.secret import Secret
from postroom_server.smtp.errors import SessionError
from postroom_server.smtp.timeouts import NO_DEADLINE, Deadline
from postroom_server.smtp.tokens import MAX_TOKEN, NoToken, Tokens, checked

PATIENCE = 10.0


class Source:
    """Counts its calls, and answers when it is let."""

    def __init__(self, *answers: str | Exception, free: bool = True) -> None:
        self.answers = list(answers)
        self.calls = 0
        self.asked = threading.Event()
        self.go = threading.Event()
        if free:
            self.go.set()

    def read(self) -> str:
        self.calls += 1
        self.asked.set()
        self.go.wait(PATIENCE)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def stop(self) -> None:
        self.go.set()


def test_each_connect_asks_anew():
    tokens = Tokens(Source("one", "two"), PATIENCE)

    assert tokens.ask(NO_DEADLINE) == Secret("one")
    assert tokens.ask(NO_DEADLINE) == Secret("two")


def test_those_who_connect_at_once_share_one_answer():
    source = Source("one", "two", free=False)
    tokens = Tokens(source, PATIENCE)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(tokens.ask, NO_DEADLINE)
        assert source.asked.wait(PATIENCE)
        waiting = threading.Barrier(4)
        deadline = Met(waiting)
        others = [pool.submit(tokens.ask, deadline) for _ in range(3)]
        waiting.wait(PATIENCE)
        source.go.set()
        given = {f.result(PATIENCE).reveal() for f in (first, *others)}

    assert given == {"one"}
    assert source.calls == 1


class Met:
    """A deadline whose first look in each thread is where threads meet."""

    def __init__(self, barrier: threading.Barrier) -> None:
        self._barrier = barrier
        self._seen = threading.local()

    def __call__(self) -> Deadline:
        if not getattr(self._seen, "met", False):
            self._seen.met = True
            self._barrier.wait(PATIENCE)
        return NO_DEADLINE


def test_a_caller_whose_time_is_up_does_not_wait():
    source = Source("one", free=False)
    tokens = Tokens(source, PATIENCE)
    with pytest.raises(SessionError, match="too long") as failed:
        tokens.ask(Deadline.after(0.05))
    source.go.set()

    assert failed.value.reason is FailureReason.DEADLINE


def test_a_source_that_fails_is_told_and_may_be_asked_again():
    tokens = Tokens(Source(NoToken("it is away"), "one"), PATIENCE)
    with pytest.raises(SessionError, match="it is away") as failed:
        tokens.ask(NO_DEADLINE)

    assert failed.value.reason is FailureReason.AUTHENTICATION
    assert not failed.value.permanent
    assert tokens.ask(NO_DEADLINE) == Secret("one")


@pytest.mark.parametrize("text", ["a", "ya29.A-_~+/x==", " token \r", "t" * MAX_TOKEN])
def test_a_token_is_taken_without_the_space_around_it(text):
    assert checked(text) == text.strip()


@pytest.mark.parametrize(
    "text",
    ["", " \r", "two words", "a\1b", "a=b", "{'a': 1}", "é", "t" * (MAX_TOKEN + 1)],
)
def test_what_is_no_token_is_refused_without_showing_it(text):
    with pytest.raises(NoToken) as refused:
        checked(text)

    assert not text.strip() or text.strip() not in str(refused.value)
