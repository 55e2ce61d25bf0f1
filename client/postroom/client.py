"""The client: mail in, the truth about every recipient out.

Thread-safe: one channel, shared by all threads.  Make it after a fork, not before.
What each call means stands in `_calls`, `_outgoing` and `_convert`, how it is made in
`_calling`.  Its twin for asyncio is in `postroom.aio`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from io import BytesIO
from types import TracebackType
from typing import Self, Unpack

from postroom import _calls, _health, _outgoing
from postroom._attempts import HEALTH_TIMEOUT, MAX_ATTEMPTS, TIMEOUT, Terms
from postroom._calling import Calls
from postroom._calls import DeliveryLike
from postroom._channel import way_to
from postroom._convert import read
from postroom._events import Watching, pull_request, pulled
from postroom._many import WINDOW, Course, common_of, mail_of
from postroom._problems import time_allowed
from postroom._rendering import Rendering
from postroom._sending_many import sent
from postroom._sources import source_of
from postroom._speaking import Speaker
from postroom._watching import watched
from postroom.arguments import (
    CallArguments,
    ListArguments,
    PullArguments,
    RescheduleArguments,
    RetryArguments,
    SecurityArguments,
    SendArguments,
    StatsArguments,
    WatchArguments,
)
from postroom.events import Event, EventPage
from postroom.many import K, Mails, Sent
from postroom.messages import Content, Progress, RawMessage, Seconds, Writer
from postroom.relays import Relays
from postroom.reports import ConnectionReport, ServerInfo, Stats
from postroom.results import (
    Blob,
    Cancellation,
    Delivery,
    DeliveryResult,
    Rendered,
    ValidationReport,
)
from postroom.v1 import server_info_pb2
from postroom.v1.delivery_service_pb2_grpc import DeliveryServiceStub
from postroom.v1.relay_service_pb2_grpc import RelayServiceStub
from postroom.v1.send_pb2 import SendMessageRequest
from postroom.words import Health

__all__ = ["HEALTH_TIMEOUT", "MAX_ATTEMPTS", "TIMEOUT", "Client"]


class Client(Speaker):
    """Speaks with one Postroom service.

    ::

        with Client("localhost:50051") as client:
            result = client.send(
                to="Ada <ada@example.com>",
                from_="me@example.com",
                subject="Hello",
                text="It works.",
            )
            result.raise_for_outcome()

    Every call raises `PostroomError`, never an error of gRPC.  A call that finds the
    service away is made again, at most *max_attempts* times within its time.
    """

    def __init__(
        self,
        target: str = "localhost:50051",
        *,
        timeout: Seconds = TIMEOUT,
        max_attempts: int = MAX_ATTEMPTS,
        plaintext: bool | None = None,
        **security: Unpack[SecurityArguments],
    ) -> None:
        """Speak with the service at *target*; it is dialled with the first call.

        *timeout* bounds each call that has none of its own.  *security* is as in
        `SecurityArguments`.  There is TLS to every target beyond this machine; with
        *plaintext* True to none, with False, or a *ca_file*, to this machine too.

        Raises `ValueError` for what contradicts itself, a token in plain text beyond
        this machine among it, and `OSError` for a file that can't be read.
        """
        way = way_to(target, plaintext, security)
        self.target = target
        self._terms = Terms(
            target=target,
            timeout=time_allowed(timeout),
            max_attempts=max_attempts,
            token=way.token,
        )
        self._calls = Calls()
        self._channel = way.channel()
        self._service = DeliveryServiceStub(self._channel)
        relays = RelayServiceStub(self._channel)
        self.relays = Relays(lambda: relays, self._call)
        self._check_health = self._channel.unary_unary(
            _health.METHOD, _health.serialize, _health.deserialize
        )

    def close(self) -> None:
        """End all calls and close the connection.  Idempotent."""
        self._calls.close()
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def send(
        self, raw: RawMessage | None = None, /, **mail: Unpack[SendArguments]
    ) -> DeliveryResult:
        """Send a mail; the arguments are those of `SendArguments`.

        A mail that is composed already is given as *raw*; the arguments are then its
        options alone.  What became of it is the result, refused recipients too.  A
        large mail goes in pieces, and is never in memory as a whole.

        Raises `InvalidRequest` for a mail that is not valid, `PostroomError` where the
        service gave an error, and `OSError` for a file that can't be read.
        """
        with _outgoing.to_send(raw, mail, datetime.now(UTC)) as found:
            answer = self._send(found, mail)
        return read(DeliveryResult, answer.result)

    def send_many(
        self,
        mails: Mails[K],
        *,
        window: int = WINDOW,
        **common: Unpack[SendArguments],
    ) -> Iterator[Sent[K]]:
        """Send *mails*, each with a key; tells what becomes of each as it is known.

        The key is the caller's own, anything, and comes back with the answer, in
        whatever order the mails settle.  All go over one stream: that is quicker than
        one call after the other, and takes no threads.  At most *window* of them wait
        for their answers, and no more are taken from *mails*, which may be endless.

        *common* holds for every mail; what a mail says itself goes before it.  Of a
        stream that breaks off, what has no answer goes again with its request id, so
        that nobody gets it twice; also where the service is away, for at most
        *timeout* at a time.  What is wrong with one mail is told as its `Sent.error`;
        raises `PostroomError` where no more can be sent at all, `TypeError` for a slip
        in an argument, and what reading *mails* raises.  Leaving the loop early gives
        up what was to be relayed and has no answer yet.
        """
        shared = common_of(common)
        course: Course[K] = Course(self._terms, shared, window)

        def compose(mail: SendArguments | RawMessage) -> SendMessageRequest:
            raw, given = mail_of(mail, shared)
            with _outgoing.to_send(raw, given, datetime.now(UTC)) as found:
                return self._as_one(found, given)

        return sent(mails, course, self._service.SendMessages, compose, self._calls)

    def validate(
        self, raw: RawMessage | None = None, /, **mail: Unpack[SendArguments]
    ) -> ValidationReport:
        """Check a mail as `send` would, and tell what would be sent; nothing is."""
        with _outgoing.to_validate(raw, mail, datetime.now(UTC)) as found:
            answer = self._send(found, mail)
        return read(ValidationReport, answer.validation)

    def upload(
        self,
        content: Content,
        *,
        on_progress: Progress | None = None,
        timeout: Seconds | None = None,
        traceparent: str | None = None,
    ) -> Blob:
        """Have the service keep *content* for later mails.

        Give the blob to `Attachment.from_blob`, or as *text* or *html* of a mail.
        What the service has already is not sent again.  *on_progress* is as in
        `SendArguments`.  Raises `ResourceExhausted` where the caller's share is full,
        and `OSError` for a file that can't be read.
        """
        given = CallArguments(timeout=timeout, traceparent=traceparent)
        with closing(source_of(content)) as source:
            return self._upload(source, on_progress, given)

    def render(
        self,
        what: RawMessage | DeliveryLike | None = None,
        /,
        **mail: Unpack[SendArguments],
    ) -> bytes:
        """The bytes that would be sent for a mail, or that were for a delivery.

        The arguments are those of `send`.  Date, Message-ID and boundaries of a mail
        that is not sent yet are made up, and will be others.  Raises
        `FailedPrecondition`, reason CONTENT_PURGED, for a delivery whose content is
        gone.
        """
        octets = BytesIO()
        self.render_to(octets, what, **mail)
        return octets.getvalue()

    def render_to(
        self,
        file: Writer,
        what: RawMessage | DeliveryLike | None = None,
        /,
        **mail: Unpack[SendArguments],
    ) -> Rendered:
        """The same, written to *file*; nothing is in memory as a whole.

        What is too large for one request is uploaded first.
        """
        rendering = Rendering(file)
        if what is not None and not isinstance(what, RawMessage):
            request = _outgoing.of_delivery(what, mail)
            return self._render(request, rendering, mail)
        with _outgoing.to_validate(what, mail, datetime.now(UTC)) as found:
            self._as_one(found, mail)
            return self._render(_outgoing.of_mail(found), rendering, mail)

    def get(
        self,
        delivery: DeliveryLike | None = None,
        *,
        request_id: str | None = None,
        timeout: Seconds | None = None,
        traceparent: str | None = None,
    ) -> Delivery:
        """What became of a mail, by its name or by the request id that made it.

        Raises `NotFound`.
        """
        request = _calls.get_request(delivery, request_id)
        given = CallArguments(timeout=timeout, traceparent=traceparent)
        answer = self._call(self._service.GetDelivery, request, given)
        return read(Delivery, answer.delivery)

    def list(self, **conditions: Unpack[ListArguments]) -> Iterator[Delivery]:
        """The mails that meet *conditions* (`ListArguments`), newest first.

        Pages are fetched as they are needed; *timeout* is for each of them.
        """
        request = _calls.list_request(conditions, datetime.now(UTC))
        return self._pages(request, conditions)

    def cancel(
        self,
        delivery: DeliveryLike,
        *,
        request_id: str | None = None,
        timeout: Seconds | None = None,
        traceparent: str | None = None,
    ) -> Cancellation:
        """Take back what is not sent yet.

        Raises `FailedPrecondition`, reason TOO_LATE, when all of it is.
        """
        request = _calls.cancel_request(delivery, request_id)
        given = CallArguments(timeout=timeout, traceparent=traceparent)
        answer = self._call(self._service.CancelDelivery, request, given)
        return read(Cancellation, answer)

    def reschedule(
        self, delivery: DeliveryLike, **options: Unpack[RescheduleArguments]
    ) -> DeliveryResult:
        """Move what waits to another time, or to now; see `RescheduleArguments`.

        Raises `FailedPrecondition`, reason TOO_LATE, when it does not wait.
        """
        request = _calls.reschedule_request(delivery, options, datetime.now(UTC))
        answer = self._call(self._service.RescheduleDelivery, request, options)
        return read(DeliveryResult, answer.result)

    def retry(
        self, delivery: DeliveryLike, **options: Unpack[RetryArguments]
    ) -> DeliveryResult:
        """Go on with the recipients that did not get it; see `RetryArguments`.

        Raises `FailedPrecondition`, reason NOT_RETRYABLE, when there are none.
        """
        request = _calls.retry_request(delivery, options, datetime.now(UTC))
        answer = self._call(self._service.RetryDelivery, request, options)
        return read(DeliveryResult, answer.result)

    def watch(self, **what: Unpack[WatchArguments]) -> Iterator[Event]:
        """What happens from now on, or after a cursor (`WatchArguments`), without end.

        Goes on by itself where a stream ended or the service was away, at most
        *timeout* at a time; what comes twice is dropped.  Keep `Event.cursor` to go on
        in another process.  Raises `InvalidRequest` for a cursor that is none, or
        whose time is over, reason CURSOR_EXPIRED.
        """
        watching = Watching(self._terms, what)
        return watched(self._service.WatchDeliveries, watching, self._calls)

    def pull_events(self, **what: Unpack[PullArguments]) -> EventPage:
        """What happened since a cursor, or from now on; see `PullArguments`.

        Raises as `watch` does.
        """
        request = pull_request(what)
        answer = self._call(self._service.PullEvents, request, what)
        return pulled(answer, what.get("cursor"))

    def test_connection(
        self,
        relay: str | None = None,
        *,
        verify_sender: str = "",
        timeout: Seconds | None = None,
        traceparent: str | None = None,
    ) -> ConnectionReport:
        """Try the way to *relay*, or to the default one, without sending mail.

        A relay that can't be reached is a report too.
        """
        request = _calls.connection_request(relay, verify_sender)
        given = CallArguments(timeout=timeout, traceparent=traceparent)
        answer = self._call(self._service.TestConnection, request, given)
        return read(ConnectionReport, answer)

    def stats(
        self, relay: str | None = None, **options: Unpack[StatsArguments]
    ) -> Stats:
        """The numbers of the service, or of one relay.

        A caller that is no administrator gets those of its tenant, and may not ask for
        relays and tenants: `PermissionDenied`.
        """
        request = _calls.stats_request(relay, options)
        answer = self._call(self._service.GetStats, request, options)
        return read(Stats, answer)

    def server_info(
        self, *, timeout: Seconds | None = None, traceparent: str | None = None
    ) -> ServerInfo:
        """What the service is, its limits and features."""
        request = server_info_pb2.GetServerInfoRequest()
        given = CallArguments(timeout=timeout, traceparent=traceparent)
        answer = self._call(self._service.GetServerInfo, request, given)
        return read(ServerInfo, answer)

    def health(
        self,
        service: str = "",
        *,
        timeout: Seconds = HEALTH_TIMEOUT,
        traceparent: str | None = None,
    ) -> Health:
        """Whether the service can do its work, or the relay "relays/main".

        Asked once, never again.  Raises `Unavailable` where nobody answers and
        `NotFound` for a name that is not watched.
        """
        given = CallArguments(timeout=timeout, traceparent=traceparent)
        once = self._terms.once(given)
        return self._calls.unary(self._check_health, service, once)
