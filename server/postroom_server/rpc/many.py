"""What the methods do that send many mails: a stream of them, or a batch.

As in `delivery`, no rule lives here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from postroom.v1 import send_stream_pb2 as wire

from postroom_server.delivery.engine import DeliveryEngine
from postroom_server.rpc.batches import Batch, check_batch
from postroom_server.rpc.context import CallContext
from postroom_server.rpc.exchanging import Exchange
from postroom_server.rpc.mail_stream import MailStream
from postroom_server.rpc.methods import Behaviour


class ManyBehaviours:
    """Answers the methods that send many mails from *engine*; thread-safe."""

    def __init__(self, engine: DeliveryEngine) -> None:
        self._engine = engine

    def behaviours(self) -> Mapping[str, Behaviour]:
        """What answers each method, by its bare name."""
        return {
            "SendMessages": self.send_messages,
            "BatchSendMessages": self.batch_send_messages,
        }

    def send_messages(
        self, exchange: Exchange, call: CallContext
    ) -> Iterator[wire.SendMessagesResponse]:
        """Send each mail that comes, and answer it when it settles."""
        return MailStream(self._engine, exchange, call).answers()

    def batch_send_messages(
        self, request: wire.BatchSendMessagesRequest, call: CallContext
    ) -> wire.BatchSendMessagesResponse:
        """Send up to 500 mails, each of which succeeds or fails by itself."""
        check_batch(request, self._engine.limits)
        return Batch(self._engine, call).answer(request)
