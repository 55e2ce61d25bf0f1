"""One call of SendMessages: mails in, an answer to each out, in any order.

Two threads serve it, however many mails wait.  One reads, and posts each mail without
waiting for it, as long as the window has room; the other, gRPC's, writes answers as
they come.  A place in the window is free when its answer was written, so that a caller
who does not read is not read from either.

What ends the call otherwise than by a half-close makes every mail without an answer one
whose caller went away.  A shutdown lets what was accepted settle, refuses what comes,
and ends the call with DRAINING when nothing is owed any more.
"""

from __future__ import annotations

import contextvars
import math
import threading
from collections.abc import Iterator
from functools import partial
from queue import Empty, SimpleQueue

from postroom.v1 import send_stream_pb2 as wire

from postroom_server.delivery.engine import DeliveryEngine
from postroom_server.domain.errors import DeadlinePassed, Draining
from postroom_server.domain.text import clipped
from postroom_server.rpc.context import CallContext
from postroom_server.rpc.convert import requests
from postroom_server.rpc.convert.outcomes import Told, item_outcome
from postroom_server.rpc.convert.reports import validation_report
from postroom_server.rpc.exchanging import Exchange
from postroom_server.rpc.finish import error_for
from postroom_server.rpc.items import (
    MOST_OF_A_KEY,
    Item,
    check_key,
    item_of,
    request_in,
)
from postroom_server.rpc.reading import CallerGone

MOST_UNSTORED = 4 * 1024 * 1024
"""Octets of requests that wait for the store; one more is read in any case."""
MOST_MAILS_UNSTORED = 128
"""Mails that wait for the store, or for a slot before; few enough to stand for one."""
LAST_ANSWERS = 0.2
"""Seconds after the end of the call's time in which answers may still come."""

_Event = tuple[Item, "Told | Exception"] | None
"""An item and its answer; None: look what has changed."""


class MailStream:
    """Serves one call with *engine*; `answers` is to be iterated once."""

    def __init__(
        self, engine: DeliveryEngine, exchange: Exchange, call: CallContext
    ) -> None:
        self._engine = engine
        self._exchange = exchange
        self._call = call
        self._clock = exchange.clock
        self._reader = exchange.patient(self._owed)
        self._events: SimpleQueue[_Event] = SimpleQueue()
        # The bare lock: entering a condition costs some ten times as much.
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._is_full = False
        self._unanswered: dict[int, Item] = {}
        self._keys: set[str] = set()
        self._unstored = self._mails_unstored = 0
        self._read = 0
        self._idle_since = self._reading_since = self._clock.monotonic()
        self._read_all = self._over = self._draining = False
        self._trouble: BaseException | None = None

    def answers(self) -> Iterator[wire.SendMessagesResponse]:
        """The window, then an answer to each item.

        Raises `Draining`, `DeadlinePassed`, or `CallerGone`.
        """
        self._call.on_leave(self._wake)
        windows, exchange = self._exchange.windows, self._exchange
        with windows.opened(self._wake), exchange.open_as(self):
            context = contextvars.copy_context()
            threading.Thread(
                target=partial(context.run, self._read_on),
                name="postroom-rpc-reader",
                daemon=True,
            ).start()
            try:
                yield from self._written()
            finally:
                self._end()

    def cancel(self) -> None:
        """The service is shutting down: end as soon as nothing is owed."""
        self._draining = True
        self._wake()

    def _wake(self) -> None:
        self._events.put(None)

    # What the thread does that writes.

    def _written(self) -> Iterator[wire.SendMessagesResponse]:
        window = 0
        while True:
            if window != self._exchange.windows.size:
                window = self._exchange.windows.size
                told = wire.StreamWindow(max_unanswered=window)
                yield wire.SendMessagesResponse(window=told)
                self._notify()
            if self._is_done():
                return
            event = self._next()
            if event is not None:
                item, answer = event
                # Before: who has the answer may use its key again.
                self._free_key(item)
                yield self._response(item, answer)
                self._forget(item)

    def _is_done(self) -> bool:
        """Whether all is answered; raises what else ends the call."""
        if self._call.left:
            raise CallerGone
        if self._unanswered:
            return False
        if self._trouble is not None:
            raise self._trouble
        if self._read_all:
            return True
        if self._draining:
            raise Draining("this server is shutting down")
        return False

    def _next(self) -> _Event:
        remaining = self._call.limit + LAST_ANSWERS - self._clock.monotonic()
        try:
            return self._events.get(timeout=max(0.0, remaining))
        except Empty:
            raise DeadlinePassed("the time of the stream is over") from None

    def _response(
        self, item: Item, answer: Told | Exception
    ) -> wire.SendMessagesResponse:
        if isinstance(answer, Exception):
            answer = error_for(answer, self._call.request_id)
        outcome = item_outcome(item.index, item.key, answer)
        return wire.SendMessagesResponse(outcome=outcome)

    def _free_key(self, item: Item) -> None:
        if item.holds_key:
            self._keys.discard(item.key)

    def _forget(self, item: Item) -> None:
        with self._lock:
            del self._unanswered[item.index]
            if not self._unanswered:
                self._idle_since = self._clock.monotonic()
            self._tell_reader()

    def _notify(self) -> None:
        with self._lock:
            self._tell_reader()

    def _tell_reader(self) -> None:
        """Something that `_has_room` looks at has changed; the lock is held."""
        # Nearly always nobody waits, and finding that out costs more than asking.
        if self._is_full:
            self._changed.notify()

    def _end(self) -> None:
        """Nobody is answered any more."""
        with self._lock:
            self._over = True
            self._tell_reader()
            unanswered = tuple(self._unanswered.values())
        for item in unanswered:
            item.leave()

    # What the thread does that reads.

    def _read_on(self) -> None:
        try:
            while self._await_room():
                self._reading_since = self._clock.monotonic()
                raw = self._reader.following()
                if raw is None:
                    break
                self._take(raw)
        except BaseException as error:  # noqa: BLE001  the other thread tells it
            self._trouble = error
        self._read_all = True
        self._wake()

    def _await_room(self) -> bool:
        """Wait until another item may be read; False: none is to be any more."""
        with self._lock:
            if not self._over and not self._has_room():
                self._is_full = True
                self._changed.wait_for(lambda: self._over or self._has_room())
                self._is_full = False
        return not self._over

    def _has_room(self) -> bool:
        return (
            len(self._unanswered) < self._exchange.windows.size
            and self._unstored < MOST_UNSTORED
            and self._mails_unstored < MOST_MAILS_UNSTORED
        )

    def _owed(self) -> float:
        """How much of the wait for the next item is not the caller's silence."""
        if self._unanswered:
            return math.inf
        return max(0.0, self._idle_since - self._reading_since)

    def _take(self, raw: bytes) -> None:
        item = Item(self._read, len(raw), self._call.limit, self._stored)
        self._read += 1
        with self._lock:
            self._unanswered[item.index] = item
            self._unstored += item.size
            self._mails_unstored += 1
        try:
            self._post(item, raw)
        except Exception as error:  # noqa: BLE001  its own item is told, no other
            self._told(item, error)
        if self._over:
            item.leave()

    def _post(self, item: Item, raw: bytes) -> None:
        principal = self._call.principal
        item.room = self._exchange.room(principal.tenant, item.size)
        asked = item_of(raw)
        if key := asked.key:
            item.key = clipped(key, MOST_OF_A_KEY)
            check_key(key, self._keys)
            self._keys.add(key)
            item.holds_key = True
        request = request_in(asked)
        submission = requests.submission(request, principal, self._call.trace_id)
        if request.validate_only:
            report = validation_report(self._engine.validate(submission))
            self._told(item, report)
            return
        item.bound(submission.wait_timeout, self._clock.monotonic())
        self._engine.post(submission, item, partial(self._told, item))

    def _told(self, item: Item, answer: Told | Exception) -> None:
        item.accepted()
        self._events.put((item, answer))

    def _stored(self, item: Item) -> None:
        with self._lock:
            self._unstored -= item.size
            self._mails_unstored -= 1
            self._tell_reader()
