"""One call of BatchSendMessages: each entry a call of its own, answered in its place.

The call's thread posts all of them and waits for all; its deadline is that of each.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from postroom.v1 import send_pb2
from postroom.v1 import send_stream_pb2 as wire

from postroom_server.delivery.engine import DeliveryEngine
from postroom_server.delivery.options import request_id_problems
from postroom_server.domain.errors import DeadlinePassed, InvalidArgument, Problem
from postroom_server.domain.limits import Limits
from postroom_server.rpc.context import CallContext
from postroom_server.rpc.convert import requests
from postroom_server.rpc.convert.outcomes import Told, item_outcome
from postroom_server.rpc.convert.reports import validation_report
from postroom_server.rpc.convert.times import Fields
from postroom_server.rpc.decode import refuse_unknown, refuse_unknown_here
from postroom_server.rpc.finish import error_for
from postroom_server.rpc.items import Item
from postroom_server.rpc.reading import CallerGone

MOST_OF_AN_ID = 250
"""Octets of a batch's request id, which leaves room for the place of an entry."""
OVERDUE = 60.0
"""Seconds after its time in which an answer may still come; more is a bug."""


def check_batch(request: wire.BatchSendMessagesRequest, limits: Limits) -> None:
    """Raise `UnknownField` or `InvalidArgument` for what is wrong with all of it."""
    refuse_unknown_here(request)
    if problems := list(_problems(request, limits)):
        raise InvalidArgument(problems)


def _problems(
    request: wire.BatchSendMessagesRequest, limits: Limits
) -> Iterator[Problem]:
    entries, most = len(request.requests), limits.max_batch_items
    if not 1 <= entries <= most:
        yield Problem("requests", f"must be 1 to {most}, and these are {entries}")
    recipients, most = (
        sum(map(_recipients, request.requests)),
        limits.max_batch_recipients,
    )
    if recipients > most:
        yield Problem("requests", f"have {recipients} recipients, of at most {most}")
    if len(request.request_id) > MOST_OF_AN_ID:
        yield Problem("request_id", f"is longer than {MOST_OF_AN_ID} octets")
    yield from request_id_problems(request.request_id[:MOST_OF_AN_ID])


def _recipients(request: send_pb2.SendMessageRequest) -> int:
    if request.WhichOneof("content") == "raw_message":
        return len(request.raw_message.recipients)
    message = request.message
    return len(message.to) + len(message.cc) + len(message.bcc)


class Batch:
    """Serves one call with *engine*."""

    def __init__(self, engine: DeliveryEngine, call: CallContext) -> None:
        self._engine = engine
        self._call = call
        self._woken = threading.Event()
        self._answers: dict[int, Told | Exception] = {}

    def answer(
        self, request: wire.BatchSendMessagesRequest
    ) -> wire.BatchSendMessagesResponse:
        """An outcome for each entry of *request*, in order; raises `CallerGone`."""
        self._call.on_leave(self._woken.set)
        items = []
        for index, entry in enumerate(request.requests):
            item = Item(index, 0, self._call.limit, _ignore)
            items.append(item)
            own = entry.request_id or (
                request.request_id and f"{request.request_id}/{index}"
            )
            try:
                self._post(item, entry, own)
            except Exception as error:  # noqa: BLE001  it is this entry's alone
                self._told(item, error)
        self._await(items)
        return wire.BatchSendMessagesResponse(
            outcomes=[self._outcome(index) for index in range(len(items))]
        )

    def _post(
        self, item: Item, entry: send_pb2.SendMessageRequest, request_id: str
    ) -> None:
        if self._engine.now() >= item.limit:
            raise DeadlinePassed("the time ran out before it was begun")
        refuse_unknown(entry)
        call = self._call
        asked = requests.submission(entry, call.principal, call.trace_id)
        if entry.validate_only:
            self._told(item, validation_report(self._engine.validate(asked)))
            return
        submission = replace(asked, request_id=request_id)
        self._engine.post(submission, item, partial(self._told, item))

    def _told(self, item: Item, answer: Told | Exception) -> None:
        self._answers[item.index] = answer
        self._woken.set()

    def _await(self, items: list[Item]) -> None:
        """Until each of *items* is answered."""
        overdue = self._call.limit + OVERDUE
        while len(self._answers) < len(items):
            if self._call.left:
                for item in items:
                    item.leave()
                raise CallerGone
            if not self._woken.wait(max(0.0, overdue - self._engine.now())):
                raise TimeoutError("entries of a batch were not answered")
            self._woken.clear()

    def _outcome(self, index: int) -> Fields:
        answer = self._answers[index]
        if isinstance(answer, Exception):
            answer = error_for(answer, self._call.request_id)
        # Without attempts the answer stays below what most clients take.
        return item_outcome(index, "", answer, with_attempts=False)


def _ignore(_item: Item) -> None:
    """The call's own room holds its octets."""
