"""What the methods of DeliveryService do: convert, call the engine, convert back.

No rule lives here.  A method that waits is told by its call how long it may, and tells
its caller's library when the mail is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from postroom.v1 import connection_pb2, send_pb2, server_info_pb2, stats_pb2
from postroom.v1 import delivery_requests_pb2 as looking

from postroom_server.delivery.engine import DeliveryEngine
from postroom_server.delivery.statistics import Include
from postroom_server.domain.clock import Clock
from postroom_server.domain.delivery import Delivery
from postroom_server.outbox.store import DeliveryQuery
from postroom_server.rpc.access import not_allowed
from postroom_server.rpc.contents import ContentBehaviours
from postroom_server.rpc.context import CallContext
from postroom_server.rpc.convert import listing, requests
from postroom_server.rpc.convert.addresses import checked_address
from postroom_server.rpc.convert.connection import connection_report
from postroom_server.rpc.convert.names import delivery_id
from postroom_server.rpc.convert.page_tokens import PageTokens, Position
from postroom_server.rpc.convert.reports import validation_report
from postroom_server.rpc.convert.results import (
    cancel_response,
    result_fields,
    stored_delivery,
)
from postroom_server.rpc.convert.stats import stats_response
from postroom_server.rpc.events import EventBehaviours
from postroom_server.rpc.many import ManyBehaviours
from postroom_server.rpc.methods import Behaviour
from postroom_server.rpc.server_info import ServerFacts


class DeliveryBehaviours:
    """Answers every method from *engine* and *facts*; thread-safe."""

    def __init__(
        self, engine: DeliveryEngine, facts: ServerFacts, clock: Clock
    ) -> None:
        self._engine = engine
        self._facts = facts
        self._clock = clock
        self._tokens = PageTokens(engine.outbox.secret)

    def behaviours(self) -> Mapping[str, Behaviour]:
        """What answers each method, by its bare name."""
        return {
            "SendMessage": self.send_message,
            "GetDelivery": self.get_delivery,
            "ListDeliveries": self.list_deliveries,
            "CancelDelivery": self.cancel_delivery,
            "RescheduleDelivery": self.reschedule_delivery,
            "RetryDelivery": self.retry_delivery,
            "TestConnection": self.test_connection,
            "GetStats": self.get_stats,
            "GetServerInfo": self.get_server_info,
            **ContentBehaviours(self._engine).behaviours(),
            **ManyBehaviours(self._engine).behaviours(),
            **EventBehaviours(self._engine, self._clock).behaviours(),
        }

    def send_message(
        self, request: send_pb2.SendMessageRequest, call: CallContext
    ) -> send_pb2.SendMessageResponse:
        """Send one mail, or say what would be sent."""
        submission = requests.submission(request, call.principal, call.trace_id)
        if request.validate_only:
            report = validation_report(self._engine.validate(submission))
            return send_pb2.SendMessageResponse(validation=report)
        # It may be large, and the wait long.
        del request
        answer = self._engine.send(submission, call)
        result = result_fields(answer.delivery, replayed=answer.replayed)
        return send_pb2.SendMessageResponse(result=result)

    def get_delivery(
        self, request: looking.GetDeliveryRequest, call: CallContext
    ) -> looking.GetDeliveryResponse:
        """Tell what became of one mail."""
        full = request.view != looking.DELIVERY_VIEW_BASIC
        found = stored_delivery(
            self._found(request, call.principal.tenant), self._engine.limits, full=full
        )
        return looking.GetDeliveryResponse(delivery=found)

    def list_deliveries(
        self, request: looking.ListDeliveriesRequest, call: CallContext
    ) -> looking.ListDeliveriesResponse:
        """List mails, newest first."""
        query = self._query(request, call.principal.tenant)
        found = self._engine.list(query)
        full = request.view == looking.DELIVERY_VIEW_FULL
        page = listing.page(found, self._engine.limits, query.limit - 1, full=full)
        return looking.ListDeliveriesResponse(
            deliveries=page.entries, next_page_token=self._token(page.last, query)
        )

    def cancel_delivery(
        self, request: looking.CancelDeliveryRequest, call: CallContext
    ) -> looking.CancelDeliveryResponse:
        """Take back what is not sent yet."""
        wanted = delivery_id(request.delivery, "delivery")
        tenant = call.principal.tenant
        done = self._engine.cancel(tenant, wanted, request.request_id)
        return cancel_response(done.delivery)

    def reschedule_delivery(
        self, request: looking.RescheduleDeliveryRequest, call: CallContext
    ) -> looking.RescheduleDeliveryResponse:
        """Move what waits to another time, or to now."""
        wanted = requests.reschedule_request(request, call.principal.tenant)
        answer = self._engine.reschedule(wanted)
        result = result_fields(answer.delivery, replayed=answer.replayed)
        return looking.RescheduleDeliveryResponse(result=result)

    def retry_delivery(
        self, request: looking.RetryDeliveryRequest, call: CallContext
    ) -> looking.RetryDeliveryResponse:
        """Go on with the recipients that are still open, or settle them."""
        wanted = requests.retry_request(request, call.principal)
        answer = self._engine.retry(wanted, call)
        result = result_fields(answer.delivery, replayed=answer.replayed)
        return looking.RetryDeliveryResponse(result=result)

    def test_connection(
        self, request: connection_pb2.TestConnectionRequest, call: CallContext
    ) -> connection_pb2.TestConnectionResponse:
        """Test the way to a relay."""
        sender = request.verify_sender
        if sender:
            sender = checked_address(sender, "verify_sender").wire
        relay = self._engine.relays.find(request.relay)
        report = self._engine.test_connection(relay.name, sender, call.limit)
        return connection_report(report, relay.name)

    def get_stats(
        self, request: stats_pb2.GetStatsRequest, call: CallContext
    ) -> stats_pb2.GetStatsResponse:
        """Tell the numbers: to an administrator of all, to others their tenant's."""
        principal = call.principal
        include = Include(
            relays=request.include_relays,
            tenants=request.include_tenants,
            latencies=request.include_latencies,
        )
        if principal.is_administrator:
            report = self._engine.stats(request.relay, include=include)
        elif include.relays or include.tenants:
            raise not_allowed("pools and tenants are for administrators")
        else:
            report = self._engine.stats(
                request.relay, tenant=principal.tenant, include=include
            )
        return stats_response(report)

    def get_server_info(
        self, _request: server_info_pb2.GetServerInfoRequest, _call: CallContext
    ) -> server_info_pb2.GetServerInfoResponse:
        """Tell version, limits and features."""
        return self._facts.response(self._clock.now())

    def _found(self, request: looking.GetDeliveryRequest, tenant: str) -> Delivery:
        request_id = requests.sought_request_id(request)
        if request_id:
            return self._engine.find(tenant, request_id)
        return self._engine.get(tenant, delivery_id(request.delivery, "delivery"))

    def _query(
        self, request: looking.ListDeliveriesRequest, tenant: str
    ) -> DeliveryQuery:
        query = listing.delivery_query(request, tenant)
        if query.relay:
            self._engine.relays.find(request.filter.relay)
        if not request.page_token:
            return query
        now = self._clock.now()
        return replace(query, before=self._tokens.read(request.page_token, query, now))

    def _token(self, last: Position | None, query: DeliveryQuery) -> str:
        if last is None:
            return ""
        return self._tokens.make(last, query, self._clock.now())
