"""What gRPC calls for methods that stream one way: uploads and downloads.

As in `adapter`, one try block holds the call.  A download is written with the watchdog
beside it: a caller that does not read holds its thread inside gRPC, and only cancelling
the call gets that back.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing

import grpc
import structlog

from postroom_server.rpc.access import identified
from postroom_server.rpc.adapter import Serving, begin_waiting, serialised
from postroom_server.rpc.context import CallContext
from postroom_server.rpc.decode import decode
from postroom_server.rpc.finish import Ending
from postroom_server.rpc.methods import Method
from postroom_server.rpc.pace import Pace
from postroom_server.rpc.pools import CountingPool
from postroom_server.rpc.reading import SILENT, Reader
from postroom_server.rpc.seats import Seats
from postroom_server.rpc.uploads import Upload
from postroom_server.rpc.watchdog import Lane


class UploadAdapter:
    """Serves one client-streaming method on *pool*."""

    def __init__(
        self, method: Method, pool: CountingPool, lane: Lane, serving: Serving
    ) -> None:
        # gRPC looks for this name.
        self.experimental_thread_pool = pool
        self._method = method
        self._lane = lane
        self._serving = serving
        self._seats = Seats(method.seats or pool.plan.threads)

    def __call__(
        self, messages: Iterator[bytes], context: grpc.ServicerContext
    ) -> bytes:
        shared = self._serving
        ending = Ending.of(self._method.label, shared.clock, shared.observers)
        call = CallContext(context)
        structlog.contextvars.bind_contextvars(request_id=call.request_id)
        reader = Reader(messages, context, shared.watchdog, self._lane, ending.arrived)
        try:
            answer = self._answer(reader, call, ending)
        except BaseException as error:  # noqa: BLE001  SystemExit would hang the call
            ending.fail(context, call, error)
        ending.succeed(context, call)
        return answer

    def _answer(self, reader: Reader, call: CallContext, ending: Ending) -> bytes:
        method = self._method
        call.caller = identified(
            method.access, self._serving.credentials, reader.context
        )
        pace = Pace(self._lane, self._serving.clock, ending.began)
        with self._seats.taken() as seat:

            def received() -> None:
                seat.close()
                self._begin_waiting(call, ending)

            upload = Upload(method.request, reader, pace, received)
            return serialised(method, method.behaviour(upload, call))

    def _begin_waiting(self, call: CallContext, ending: Ending) -> None:
        clock = self._serving.clock
        begin_waiting(call, clock, ending.arrived, self._method.cap)


class DownloadAdapter:
    """Serves one server-streaming method on *pool*."""

    def __init__(
        self, method: Method, pool: CountingPool, lane: Lane, serving: Serving
    ) -> None:
        self.experimental_thread_pool = pool
        self._method = method
        self._lane = lane
        self._serving = serving

    def __call__(
        self, messages: Iterator[bytes], context: grpc.ServicerContext
    ) -> Iterator[bytes]:
        shared = self._serving
        ending = Ending.of(self._method.label, shared.clock, shared.observers)
        call = CallContext(context)
        structlog.contextvars.bind_contextvars(request_id=call.request_id)
        reader = Reader(messages, context, shared.watchdog, self._lane, ending.arrived)
        pace = Pace(self._lane, shared.clock, ending.began)
        try:
            with closing(self._answers(reader, call, ending)) as answers:
                for answer in answers:
                    wait = shared.watchdog.watch(context, self._lane)
                    try:
                        yield answer
                    finally:
                        shared.watchdog.release(wait)
                    pace.step(len(answer))
        except GeneratorExit:
            # gRPC drops us when the caller is gone.
            ending.left(call, SILENT if wait.expired else "")
            raise
        except BaseException as error:  # noqa: BLE001  SystemExit would hang the call
            ending.fail(context, call, error)
        ending.succeed(context, call)

    def _answers(
        self, reader: Reader, call: CallContext, ending: Ending
    ) -> Generator[bytes, None, None]:
        method = self._method
        call.caller = identified(
            method.access, self._serving.credentials, reader.context
        )
        request = decode(method.request, reader.only(), strict=method.strict)
        begin_waiting(call, self._serving.clock, ending.arrived, method.cap)
        for response in method.behaviour(request, call):
            yield serialised(method, response)
