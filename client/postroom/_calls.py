"""Arguments into requests of the contract; shared by every kind of client.

`InvalidRequest` is raised for all problems at once, before any call is made;
`TypeError` for an argument that there is not.  *now* is what spans of time count from.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import uuid4

from google.protobuf.message import Message

from postroom._convert import number_of
from postroom._labels import dsn_of, metadata_of, tags_of
from postroom._names import check_names, check_text
from postroom._problems import Problems, duration
from postroom.arguments import (
    ListArguments,
    RescheduleArguments,
    RetryArguments,
    SendArguments,
    StatsArguments,
)
from postroom.messages import RetryPolicy
from postroom.results import Delivery, DeliveryResult
from postroom.v1 import (
    connection_pb2,
    delivery_pb2,
    delivery_requests_pb2,
    send_pb2,
    stats_pb2,
)
from postroom.words import (
    Completion,
    DeliveryView,
    OnUncertain,
    Priority,
    Settlement,
    Status,
)

DeliveryLike = str | Delivery | DeliveryResult
PAGE_SIZE = 50
_CHANGES = (
    send_pb2.SendMessageRequest,
    delivery_requests_pb2.CancelDeliveryRequest,
    delivery_requests_pb2.RescheduleDeliveryRequest,
    delivery_requests_pb2.RetryDeliveryRequest,
)


def send_options(
    given: SendArguments, problems: Problems, now: datetime
) -> send_pb2.SendMessageRequest:
    """The request that *given* asks for, but for the mail; faults go to *problems*."""
    uncertain = problems.word("on_uncertain", OnUncertain, given.get("on_uncertain"))
    priority = problems.word("priority", Priority, given.get("priority"))
    return send_pb2.SendMessageRequest(
        relay=relay_name(given.get("relay")),
        request_id=_request_id(given),
        completion=_completion(given, problems),
        wait_timeout=duration(given.get("wait_timeout")),
        retry=_retry_policy(given.get("retry")),
        on_uncertain=number_of(uncertain, send_pb2.OnUncertain.DESCRIPTOR),
        send_at=problems.instant("send_at", given.get("send_at"), now),
        expire_at=problems.instant("expire_at", given.get("expire_at"), now),
        all_recipients_or_none=given.get("all_recipients_or_none", False),
        priority=number_of(priority, send_pb2.Priority.DESCRIPTOR),
        dsn=dsn_of(given.get("dsn"), problems),
        metadata=metadata_of(given.get("metadata", {}), "metadata", problems),
        tags=tags_of(given.get("tags", ())),
    )


def reschedule_request(
    delivery: DeliveryLike, given: RescheduleArguments, now: datetime
) -> delivery_requests_pb2.RescheduleDeliveryRequest:
    """Asks to move *delivery* to another time."""
    check_names(given, RescheduleArguments)
    problems = Problems()
    request = delivery_requests_pb2.RescheduleDeliveryRequest(
        delivery=delivery_name(delivery),
        send_at=problems.instant("send_at", given.get("send_at"), now),
        expire_at=problems.instant("expire_at", given.get("expire_at"), now),
        request_id=_request_id(given),
    )
    problems.raise_any()
    return request


def retry_request(
    delivery: DeliveryLike, given: RetryArguments, now: datetime
) -> delivery_requests_pb2.RetryDeliveryRequest:
    """Asks to go on with *delivery*."""
    check_names(given, RetryArguments)
    problems = Problems()
    settlement = problems.word("settlement", Settlement, given.get("settlement"))
    request = delivery_requests_pb2.RetryDeliveryRequest(
        delivery=delivery_name(delivery),
        settlement=number_of(settlement, delivery_requests_pb2.Settlement.DESCRIPTOR),
        completion=_completion(given, problems),
        wait_timeout=duration(given.get("wait_timeout")),
        expire_at=problems.instant("expire_at", given.get("expire_at"), now),
        request_id=_request_id(given),
        recipients=given.get("recipients", ()),
    )
    problems.raise_any()
    return request


def cancel_request(
    delivery: DeliveryLike, request_id: str | None
) -> delivery_requests_pb2.CancelDeliveryRequest:
    """Asks to take *delivery* back."""
    return delivery_requests_pb2.CancelDeliveryRequest(
        delivery=delivery_name(delivery), request_id=request_id or _new_request_id()
    )


def get_request(
    delivery: DeliveryLike | None, request_id: str | None
) -> delivery_requests_pb2.GetDeliveryRequest:
    """Asks for one delivery, by one of its two names."""
    if delivery is not None and request_id is None:
        name = delivery_name(delivery)
        return delivery_requests_pb2.GetDeliveryRequest(delivery=name)
    if delivery is None and request_id is not None:
        check_text("request_id", request_id)
        return delivery_requests_pb2.GetDeliveryRequest(request_id=request_id)
    raise TypeError("give either a delivery or a request_id")


def list_request(
    given: ListArguments, now: datetime
) -> delivery_requests_pb2.ListDeliveriesRequest:
    """Asks for the first page of the deliveries that meet the conditions *given*."""
    check_names(given, ListArguments)
    problems = Problems()
    view = problems.word("view", DeliveryView, given.get("view"))
    request = delivery_requests_pb2.ListDeliveriesRequest(
        page_size=given.get("page_size", PAGE_SIZE),
        filter=_filter(given, problems, now),
        view=number_of(view, delivery_requests_pb2.DeliveryView.DESCRIPTOR),
    )
    problems.raise_any()
    return request


def connection_request(
    relay: str | None, verify_sender: str
) -> connection_pb2.TestConnectionRequest:
    """Asks to try the way to *relay*."""
    return connection_pb2.TestConnectionRequest(
        relay=relay_name(relay), verify_sender=verify_sender
    )


def stats_request(
    relay: str | None, options: StatsArguments
) -> stats_pb2.GetStatsRequest:
    """Asks for the numbers."""
    return stats_pb2.GetStatsRequest(
        relay=relay_name(relay),
        include_relays=options.get("include_relays", False),
        include_tenants=options.get("include_tenants", False),
        include_latencies=options.get("include_latencies", False),
    )


def request_id_of(request: Message) -> str:
    """With which to repeat *request*; empty where it changes nothing."""
    return request.request_id if isinstance(request, _CHANGES) else ""


def delivery_name(delivery: object) -> str:
    """The whole name of *delivery*, of which the last part is enough.

    Raises `TypeError` for what names none.
    """
    match delivery:
        case Delivery():
            return delivery.name
        case DeliveryResult():
            return delivery.delivery
        case str():
            return delivery if "/" in delivery else f"deliveries/{delivery}"
    kind = type(delivery).__name__
    raise TypeError(f"delivery: give its name, or what told of it, not {kind}")


def relay_name(relay: str | None) -> str:
    """The whole name of *relay*, of which the last part is enough; empty for None."""
    if not relay or "/" in relay:
        return relay or ""
    return f"relays/{relay}"


def _filter(
    given: ListArguments, problems: Problems, now: datetime
) -> delivery_requests_pb2.DeliveryFilter:
    wanted = given.get("statuses", ())
    since, until = given.get("accepted_from"), given.get("accepted_before")
    return delivery_requests_pb2.DeliveryFilter(
        statuses=_statuses((wanted,) if isinstance(wanted, str) else wanted, problems),
        relay=relay_name(given.get("relay")),
        recipient=given.get("recipient", ""),
        message_id=given.get("message_id", ""),
        tag=given.get("tag", ""),
        metadata=metadata_of(given.get("metadata", {}), "filter.metadata", problems),
        accepted_from=problems.instant("filter.accepted_from", since, now),
        accepted_before=problems.instant("filter.accepted_before", until, now),
    )


def _statuses(wanted: Iterable[str], problems: Problems) -> list[Any]:
    return [
        number_of(
            problems.word(f"filter.statuses[{place}]", Status, status),
            delivery_pb2.DeliveryStatus.DESCRIPTOR,
        )
        for place, status in enumerate(wanted)
    ]


def _completion(given: SendArguments | RetryArguments, problems: Problems) -> Any:  # noqa: ANN401  see number_of
    word = problems.word("completion", Completion, given.get("completion"))
    return number_of(word, send_pb2.Completion.DESCRIPTOR)


def _retry_policy(given: bool | RetryPolicy | None) -> send_pb2.RetryPolicy | None:  # noqa: FBT001  as callers give it
    if given is None or given is True:
        return None
    policy = given or RetryPolicy(disabled=True)
    return send_pb2.RetryPolicy(
        disabled=policy.disabled,
        quick_delays=filter(None, map(duration, policy.quick_delays)),
        min_delay=duration(policy.min_delay),
        max_delay=duration(policy.max_delay),
        max_attempts=policy.max_attempts,
    )


def _request_id(
    given: SendArguments | RetryArguments | RescheduleArguments,
) -> str:
    return given.get("request_id") or _new_request_id()


def _new_request_id() -> str:
    return str(uuid4())
