"""Mails out of an iterable, over streams, and answers back: the I/O of `send_many`.

What holds between two streams stands in `_many`.  The iterable is read by its caller's
own thread, one mail at a time, and only while there is room.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from queue import Empty, SimpleQueue
from typing import Generic, TypeAlias

from postroom._calling import Calls
from postroom._failures import CLOSED, Failure, failure_of
from postroom._mail_line import Ended, MailLine, Method, Told
from postroom._many import Course
from postroom.arguments import SendArguments
from postroom.errors import PostroomError
from postroom.many import K, Keyed, Mails, Sent
from postroom.messages import RawMessage
from postroom.v1.send_pb2 import SendMessageRequest

LAST_WORD = 5.0
"""Seconds that a service has to end a stream on which all is answered."""
_EARLY = Failure(code="UNAVAILABLE", text="the stream ended before its last answer")

Mail: TypeAlias = SendArguments | RawMessage
Event: TypeAlias = tuple[MailLine, Told]
Compose: TypeAlias = Callable[[Mail], SendMessageRequest]


class Lines(Generic[K]):
    """The stream that is open, one at a time; what it says goes to *tell*."""

    def __init__(
        self, course: Course[K], method: Method, tell: Callable[[Event], object]
    ) -> None:
        self.course = course
        self._method = method
        self._tell = tell
        self._line: MailLine | None = None
        self.rest = 0.0

    def push(self) -> None:
        """Send what is to go, over a new stream if there is none."""
        self.rest = 0.0
        if self._line is None:
            if not self.course.unanswered:
                return
            metadata = self.course.begin().metadata
            self._line = MailLine(self._method, metadata, self._tell)
        for item in self.course.to_send(time.monotonic()):
            self._line.send(item)

    def wait(self) -> float | None:
        """Seconds until a mail that was put off is to go; None: none was."""
        at = self.course.next_at()
        return None if at is None else max(0.0, at - time.monotonic())

    def take(self, event: Event, *, closed: bool) -> Iterator[Sent[K]]:
        """What *event* tells the caller, if it is of the stream that is open.

        Where that has ended, *rest* is to pass before the next one.  Raises the error
        that ends everything; a client that is *closed* has none.
        """
        line, told = event
        if line is not self._line:
            return
        if isinstance(told, Ended):
            self._line = None
            self.rest = self._pause_after(told, closed=closed)
        else:
            yield from self.course.take(told, time.monotonic())

    def _pause_after(self, told: Ended, *, closed: bool) -> float:
        error = told.error
        failure = _EARLY if error is None else failure_of(error, closed=closed)
        pause = self.course.pause_after(failure)
        if pause is None:
            raise self.course.error_of(failure) from error
        return pause

    def finish(self) -> bool:
        """All is answered: end the stream in order; whether it has yet to end."""
        if self._line is not None:
            self._line.finish()
        return self._line is not None

    def cancel(self) -> MailLine | None:
        """End the stream, if there is one, which is returned."""
        line, self._line = self._line, None
        if line is not None:
            line.cancel()
        return line


def sent(
    mails: Mails[K], course: Course[K], method: Method, compose: Compose, calls: Calls
) -> Iterator[Sent[K]]:
    """What becomes of each of *mails*, as it is known."""
    if calls.closed:
        raise RuntimeError("the client is closed")
    events: SimpleQueue[Event] = SimpleQueue()
    lines = Lines(course, method, events.put)
    source, more = iter(mails), True
    try:
        while more or course.unanswered:
            more = more and (yield from _taken_in(source, lines, compose, events))
            lines.push()
            event = _next(events, lines.wait()) if course.unanswered else None
            if event is not None:
                yield from lines.take(event, closed=calls.closed)
            if lines.rest and calls.pause(lines.rest):
                raise course.error_of(CLOSED)
        if lines.finish():
            _next(events, LAST_WORD)
    finally:
        if line := lines.cancel():
            line.join()


def _taken_in(
    source: Iterator[Keyed[K]],
    lines: Lines[K],
    compose: Compose,
    events: SimpleQueue[Event],
) -> Generator[Sent[K], None, bool]:
    """Send mails while there is room and nothing to hear; whether there may be more."""
    while lines.course.has_room and events.empty():
        try:
            key, mail = next(source)
        except StopIteration:
            return False
        try:
            lines.course.add(key, compose(mail))
        except (PostroomError, OSError) as error:
            yield Sent(key=key, error=error)
        lines.push()
    return True


def _next(events: SimpleQueue[Event], timeout: float | None) -> Event | None:
    try:
        return events.get(timeout=timeout)
    except Empty:
        return None
