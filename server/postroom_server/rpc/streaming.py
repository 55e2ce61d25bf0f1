"""What gRPC calls for methods that stream one way: uploads and downloads.

As in `adapter`, one try block holds the call.  A download is written with the watchdog
beside it: a caller that does not read holds its thread inside gRPC, and only cancelling
the call gets that back.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import replace

import grpc

from postroom_server.rpc.access import identified
from postroom_server.rpc.adapter import Opened, Serving, begin_waiting, serialised
from postroom_server.rpc.context import CallContext
from postroom_server.rpc.decode import decode
from postroom_server.rpc.finish import Ending
from postroom_server.rpc.methods import Method
from postroom_server.rpc.pace import Pace
from postroom_server.rpc.pools import CountingPool
from postroom_server.rpc.reading import SILENT, CallerGone, Reader
from postroom_server.rpc.seats import Seats
from postroom_server.rpc.uploads import Upload
from postroom_server.rpc.watchdog import Lane, Wait


class _Streaming:
    """What uploads and downloads have in common."""

    def __init__(
        self, method: Method, pool: CountingPool, lane: Lane, serving: Serving
    ) -> None:
        # gRPC looks for this name.
        self.experimental_thread_pool = pool
        several = serving.credentials.of_several_tenants
        self._threads = pool.seats
        self._seats = seats = Seats(method.seats or pool.plan.threads, shared=several)
        # Who can't have a seat waits for one that is slow, as others do for a thread.
        self._lane = replace(lane, pressed=lambda: seats.full or lane.pressed())
        self._method = method
        self._serving = serving

    def _opened(
        self, messages: Iterator[bytes], context: grpc.ServicerContext
    ) -> Opened:
        label = self._method.label
        return self._serving.opened(label, self._lane, messages, context)

    def _pace(self, ending: Ending) -> Pace:
        return Pace(self._lane, self._serving.clock, ending.began)

    def _identify(self, call: CallContext, context: grpc.ServicerContext) -> str:
        """Who calls, noted in *call*; the tenant."""
        access, credentials = self._method.access, self._serving.credentials
        call.caller = identified(access, credentials, context)
        return call.principal.tenant

    def _begin_waiting(self, call: CallContext, ending: Ending) -> None:
        clock = self._serving.clock
        begin_waiting(call, clock, ending.arrived, self._method.cap)


class UploadAdapter(_Streaming):
    """Serves one client-streaming method on its pool."""

    def __call__(
        self, messages: Iterator[bytes], context: grpc.ServicerContext
    ) -> bytes:
        ending, call, reader = self._opened(messages, context)
        try:
            answer = self._answer(reader, call, ending)
        except BaseException as error:  # noqa: BLE001  SystemExit would hang the call
            ending.fail(context, call, error)
        ending.succeed(context, call)
        return answer

    def _answer(self, reader: Reader, call: CallContext, ending: Ending) -> bytes:
        method = self._method
        tenant = self._identify(call, reader.context)
        with self._threads.held(tenant), self._seats.held(tenant) as seat:

            def received() -> None:
                seat.close()
                self._begin_waiting(call, ending)

            upload = Upload(method.request, reader, self._pace(ending), received)
            return serialised(method, method.behaviour(upload, call))


class DownloadAdapter(_Streaming):
    """Serves one server-streaming method on its pool."""

    def __call__(
        self, messages: Iterator[bytes], context: grpc.ServicerContext
    ) -> Iterator[bytes]:
        watchdog = self._serving.watchdog
        ending, call, reader = self._opened(messages, context)
        pace = self._pace(ending)
        try:
            with closing(self._answers(reader, call, ending)) as answers:
                for answer in answers:
                    wait = watchdog.watch(context, self._lane)
                    try:
                        yield answer
                    finally:
                        watchdog.release(wait)
                    _refuse_if_expired(wait)
                    if self._method.paced:
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
        with self._threads.held(self._identify(call, reader.context)):
            request = decode(method.request, reader.only(), strict=method.strict)
            self._begin_waiting(call, ending)
            for response in method.behaviour(request, call):
                yield serialised(method, response)


def _refuse_if_expired(wait: Wait) -> None:
    # gRPC may ask for the next answer before it knows that the call was cancelled.
    if wait.expired:
        raise CallerGone(SILENT)
