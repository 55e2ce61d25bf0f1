"""Many mails over one stream after the other: what holds between them; pure.

A mail is kept until its answer has come, and goes again with its request id wherever a
stream ended without one, so that it counts once.  So much is kept and no more: by
number, by size, and by the window that the service tells.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic

from postroom._attempts import Attempts, Terms
from postroom._convert import read
from postroom._failures import Asked, Failure, error_of_item, has_left, hint_of_item
from postroom._retry import Persistence
from postroom.arguments import CallArguments, SendArguments
from postroom.errors import PostroomError
from postroom.many import K, Sent
from postroom.messages import RawMessage
from postroom.results import DeliveryResult
from postroom.v1 import error_reason_pb2, send_pb2, send_stream_pb2

WINDOW = 256
"""Mails that may wait for their answers, where the caller says nothing."""
MOST_OCTETS = 16 * 1_048_576
"""Bytes of the requests of mails that wait; one more is taken in any case."""
NO_LIMIT = 1 << 30
"""Attempts: a mail that is put off is sent until its time is over."""

Item = send_stream_pb2.SendMessagesRequest


@dataclass(slots=True, eq=False)
class Pending(Generic[K]):
    """A mail without an answer; *again_at* is when to send it once more.

    *in_doubt*: a stream that ended without its answer may have brought it.
    """

    key: K
    request: send_pb2.SendMessageRequest
    size: int
    persistence: Persistence | None = None
    again_at: float = 0.0
    in_doubt: bool = False


@dataclass(slots=True)
class _Stream(Generic[K]):
    """What went over the stream that is open."""

    sent: dict[int, Pending[K]] = field(default_factory=dict)
    count: int = 0
    window: int = 1
    heard: bool = False
    leaving: bool = False


class Course(Generic[K]):
    """The mails of one `send_many`; not thread-safe."""

    def __init__(self, terms: Terms, given: CallArguments, window: int) -> None:
        if window < 1:
            raise ValueError(f"a window of {window}: at least one mail has to wait")
        self._terms = replace(terms, max_attempts=NO_LIMIT)
        self._given = given
        self._window = window
        self._waiting: deque[Pending[K]] = deque()
        self._put_off: list[Pending[K]] = []
        self._octets = 0
        self._stream: _Stream[K] = _Stream()
        self._attempts = self._anew()
        self._begun = False

    @property
    def unanswered(self) -> int:
        """How many mails have no answer yet."""
        return len(self._waiting) + len(self._put_off) + len(self._stream.sent)

    @property
    def has_room(self) -> bool:
        """Whether another mail may be taken in."""
        return self.unanswered < self._window and self._octets < MOST_OCTETS

    def add(self, key: K, request: send_pb2.SendMessageRequest) -> None:
        """One more mail to send."""
        size = request.ByteSize()
        self._octets += size
        self._waiting.append(Pending(key, request, size))

    def begin(self) -> Attempts:
        """Before a stream is opened: what has no answer goes over it."""
        unanswered = self._stream.sent.values()
        self._waiting = deque([*unanswered, *self._put_off, *self._waiting])
        self._put_off = []
        self._stream = _Stream()
        if not self._begun:
            # The first mail may come late; nobody was away meanwhile.
            self._begun, self._attempts = True, self._anew()
        self._attempts.begin()
        return self._attempts

    def to_send(self, now: float) -> Iterator[Item]:
        """What is to go over the stream now."""
        due = [one for one in self._put_off if one.again_at <= now]
        if due:
            self._put_off = [one for one in self._put_off if one.again_at > now]
            self._waiting.extendleft(reversed(due))
        stream = self._stream
        while self._waiting and self._may_send(stream):
            pending = self._waiting.popleft()
            stream.sent[stream.count] = pending
            stream.count += 1
            yield Item(request=pending.request)

    def next_at(self) -> float | None:
        """When something that was put off is to go; None: nothing was."""
        return min((one.again_at for one in self._put_off), default=None)

    def take(
        self, frame: send_stream_pb2.SendMessagesResponse, now: float
    ) -> Iterator[Sent[K]]:
        """What *frame* tells the caller, if anything."""
        stream = self._stream
        if frame.WhichOneof("frame") == "window":
            stream.window = frame.window.max_unanswered
            return
        outcome = frame.outcome
        pending = stream.sent.pop(outcome.index, None)
        if pending is None:
            return
        stream.heard = True
        if outcome.WhichOneof("outcome") == "result":
            self._octets -= pending.size
            yield Sent(key=pending.key, result=read(DeliveryResult, outcome.result))
        elif not self._goes_again(pending, outcome.error, now):
            self._octets -= pending.size
            error = error_of_item(outcome.error, self._asked(pending))
            yield Sent(key=pending.key, error=error)

    def pause_after(self, failure: Failure) -> float | None:
        """How long to wait after the stream's *failure*; None: it ends everything."""
        for pending in self._stream.sent.values():
            pending.in_doubt = pending.in_doubt or has_left(failure)
        if self._stream.heard:
            # It was there: the time that it may be away begins now.
            self._attempts = self._anew()
            self._attempts.begin()
        return self._attempts.delay_after(failure)

    def error_of(self, failure: Failure) -> PostroomError:
        """The error that ends everything with *failure*."""
        return self._attempts.error_of(failure)

    def _anew(self) -> Attempts:
        return self._terms.repeatable(self._given)

    def _may_send(self, stream: _Stream[K]) -> bool:
        return len(stream.sent) < stream.window and not stream.leaving

    def _goes_again(
        self, pending: Pending[K], error: error_reason_pb2.ItemError, now: float
    ) -> bool:
        """Whether the mail is sent once more, and is not the caller's yet."""
        if error.reason == error_reason_pb2.ERROR_REASON_DRAINING:
            # This stream ends as soon as it owes no answer; the next one is another's.
            self._stream.leaving = True
        if pending.persistence is None:
            pending.persistence = self._terms.persistence(self._given)
        pending.persistence.begin()
        delay = pending.persistence.delay_after(hint_of_item(error))
        if delay is None:
            return False
        pending.again_at = now + delay
        self._put_off.append(pending)
        return True

    def _asked(self, pending: Pending[K]) -> Asked:
        return Asked(
            target=self._terms.target,
            request_id=pending.request.request_id,
            in_doubt=pending.in_doubt,
        )


def mail_of(
    mail: SendArguments | RawMessage, common: SendArguments
) -> tuple[RawMessage | None, SendArguments]:
    """The arguments of `send` for one mail of many."""
    if isinstance(mail, RawMessage):
        return mail, common
    for name in sorted(mail.keys() & CallArguments.__annotations__.keys()):
        raise TypeError(f"{name!r} is for all mails: give it to send_many")
    return None, {**common, **mail}


def common_of(given: Mapping[str, Any]) -> SendArguments:
    """What holds for all mails; raises `TypeError` for what can only be one's own."""
    for name in ("request_id", "message_id"):
        if name in given:
            raise TypeError(f"{name!r} is each mail's own: give it with the mail")
    common: Any = dict(given)
    return common  # type: ignore[no-any-return]  # names are checked with each mail
