"""The twin of `_sending_many` for asyncio, over streams that have threads of their own.

The next mail is awaited beside the answers, so that neither holds up the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterator,
)
from contextlib import suppress
from typing import Any, Self, TypeAlias

from postroom._awaiting import AsyncCalls
from postroom._failures import CLOSED
from postroom._mail_line import Method
from postroom._many import Course
from postroom._sending_many import LAST_WORD, Event, Lines, Mail
from postroom.errors import PostroomError
from postroom.many import AsyncMails, K, Keyed, Mails, Sent
from postroom.v1.send_pb2 import SendMessageRequest

_MAIL = "mail"
_EVENT = "event"
AsyncCompose: TypeAlias = Callable[[Mail], Awaitable[SendMessageRequest]]


async def asent(
    mails: Mails[K] | AsyncMails[K],
    course: Course[K],
    method: Callable[[], Method],
    compose: AsyncCompose,
    calls: AsyncCalls,
) -> AsyncIterator[Sent[K]]:
    """What becomes of each of *mails*, as it is known; *method* is of this loop."""
    events: asyncio.Queue[Event] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def tell(event: Event) -> None:
        # A loop that is closed waits for nothing.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(events.put_nowait, event)

    lines = Lines(course, method(), tell)
    source, more = aiter(_each(mails)), True
    async with _Tasks() as tasks:
        try:
            while more or course.unanswered:
                if more and course.has_room:
                    tasks.want(_MAIL, lambda: _taken_in(source, course, compose))
                if course.unanswered:
                    tasks.want(_EVENT, events.get)
                lines.push()
                came = await tasks.some(lines.wait())
                more = more and came.get(_MAIL, True) is not None
                for answer in _answers(came, lines, closed=calls.closed):
                    yield answer
                if lines.rest and await calls.pause(lines.rest):
                    raise course.error_of(CLOSED)
            if lines.finish():
                tasks.want(_EVENT, events.get)
                await tasks.some(LAST_WORD)
        finally:
            lines.cancel()


def _answers(
    came: dict[str, Any], lines: Lines[K], *, closed: bool
) -> Iterator[Sent[K]]:
    """What is to be told of that which came."""
    if isinstance(refused := came.get(_MAIL), Sent):
        yield refused
    if _EVENT in came:
        yield from lines.take(came[_EVENT], closed=closed)


class _Tasks:
    """At most one task of each kind, which end with the ``with`` block."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[Any]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *trouble: object) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def want(self, kind: str, begin: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Have a task of that *kind*, begun now if there is none."""
        if kind not in self._tasks:
            self._tasks[kind] = asyncio.create_task(begin())

    async def some(self, seconds: float | None) -> dict[str, Any]:
        """What came of those that ended, waiting for one so many *seconds*."""
        await asyncio.wait(
            self._tasks.values(), timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )
        ended = [kind for kind, task in self._tasks.items() if task.done()]
        return {kind: self._tasks.pop(kind).result() for kind in ended}


async def _each(mails: Mails[K] | AsyncMails[K]) -> AsyncIterator[Keyed[K]]:
    if isinstance(mails, AsyncIterable):
        async for mail in mails:
            yield mail
        return
    for mail in mails:
        yield mail


async def _taken_in(
    source: AsyncIterator[Keyed[K]], course: Course[K], compose: AsyncCompose
) -> Sent[K] | bool | None:
    """Have *course* take the next mail; None: there is none."""
    try:
        key, mail = await anext(source)
    except StopAsyncIteration:
        return None
    try:
        course.add(key, await compose(mail))
    except (PostroomError, OSError) as error:
        return Sent(key=key, error=error)
    return True
