"""A watch over any number of streams: the I/O of `watch`, in both colours.

What holds between two streams stands in `_events`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, TypeAlias

import grpc

from postroom._awaiting import AsyncCalls, cancellations
from postroom._calling import Calls
from postroom._events import Watching
from postroom._failures import CLOSED, failure_of
from postroom.events import Event

if TYPE_CHECKING:
    from postroom.v1.event_pb2 import WatchDeliveriesRequest, WatchDeliveriesResponse

    Streams: TypeAlias = grpc.UnaryStreamMultiCallable[
        WatchDeliveriesRequest, WatchDeliveriesResponse
    ]
    AsyncStreams: TypeAlias = grpc.aio.UnaryStreamMultiCallable[
        WatchDeliveriesRequest, WatchDeliveriesResponse
    ]


def watched(method: Streams, watching: Watching, calls: Calls) -> Iterator[Event]:
    """The events of *watching*, without end."""
    while True:
        attempts = watching.begin()
        stream = method(watching.request, metadata=attempts.metadata)
        try:
            for answer in stream:
                yield from watching.take(answer)
            pause = watching.pause_after_end()
        except grpc.RpcError as error:
            pause = _pause(watching, error, closed=calls.closed)
        finally:
            stream.cancel()
        if calls.pause(pause):
            raise watching.error_of(CLOSED)


async def awatched(
    method: AsyncStreams, watching: Watching, calls: AsyncCalls
) -> AsyncIterator[Event]:
    """The same, without holding up the loop."""
    before = cancellations()
    while True:
        attempts = watching.begin()
        stream = method(watching.request, metadata=attempts.metadata)
        try:
            async for answer in stream:
                for event in watching.take(answer):
                    yield event
            pause = watching.pause_after_end()
        except asyncio.CancelledError:
            # gRPC cancels the streams of a channel that is closed, and the task that
            # reads is not to think that it was cancelled itself.
            if not calls.closed or cancellations() > before:
                raise
            pause = 0.0
        except grpc.RpcError as error:
            pause = _pause(watching, error, closed=calls.closed)
        finally:
            stream.cancel()
        if await calls.pause(pause):
            raise watching.error_of(CLOSED)


def _pause(watching: Watching, error: grpc.RpcError, *, closed: bool) -> float:
    """How long to wait before the next stream; raises if there is to be none."""
    failure = failure_of(error, closed=closed)
    pause = watching.pause_after(failure)
    if pause is None:
        raise watching.error_of(failure) from error
    return pause
