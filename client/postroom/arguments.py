"""The named arguments of calls, declared once for every kind of client.

Durations are in seconds or `timedelta`; times are `datetime` with a time zone, or a
span from now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from os import PathLike
from typing import TypedDict

from postroom._tokens import TokenLike
from postroom.messages import (
    Addresses,
    AddressLike,
    AttachmentLike,
    Dsn,
    Headers,
    Progress,
    RetryPolicy,
    Seconds,
    Text,
    Unsubscribe,
)
from postroom.results import Delivery, DeliveryResult
from postroom.words import (
    Completion,
    DeliveryView,
    EventKind,
    OnUncertain,
    Priority,
    Settlement,
    StartPosition,
    Status,
)

DeliveryName = str | Delivery | DeliveryResult


class SecurityArguments(TypedDict, total=False):
    """How a client trusts the service, and says who it is.

    *ca_file*: the authorities to trust, as PEM, instead of the system's.  *cert_file*
    and *key_file*: the client's own certificate, where the service wants one.  *token*:
    what `postroomd token create` printed, or a function that gives it; or *token_file*,
    which is read with each attempt.
    """

    ca_file: str | PathLike[str] | None
    cert_file: str | PathLike[str] | None
    key_file: str | PathLike[str] | None
    token: TokenLike | None
    token_file: str | PathLike[str] | None


class ClientArguments(SecurityArguments, total=False):
    """What a client is made with."""

    target: str
    timeout: Seconds
    max_attempts: int
    plaintext: bool | None


class CallArguments(TypedDict, total=False):
    """What every call takes.

    *timeout* bounds the whole call, retries included; without it the client's own
    does.  *traceparent* (W3C Trace Context) is the trace that the call belongs to;
    without it OpenTelemetry's current span is, if there is one.
    """

    timeout: Seconds | None
    traceparent: str | None


class MailArguments(TypedDict, total=False):
    """The parts of a mail.

    Addresses are "ada@example.com", "Ada Lovelace <ada@example.com>" or a `Mailbox`,
    one or several.  *text* and *html* are text, or where it is (`Text`).  Attachments
    are `Attachment` or paths of files.
    """

    to: Addresses
    cc: Addresses
    bcc: Addresses
    subject: str
    text: Text
    html: Text
    from_: AddressLike
    sender: AddressLike
    reply_to: Addresses
    attachments: Iterable[AttachmentLike]
    headers: Headers
    message_id: str
    envelope_from: str
    unsubscribe: Unsubscribe


class SendArguments(CallArguments, MailArguments, total=False):
    """A mail and what to do with it.

    *relay* is a name, "main" or "relays/main".  *request_id* makes repeating the call
    safe; one is made up where none is given.  *completion* is when to answer, at the
    latest after *wait_timeout*.  *retry* False makes one attempt and no more.  Nothing
    is begun before *send_at* nor after *expire_at*, times or spans from now (with a
    span, a call repeated by hand is not the same call); with *send_at* the answer comes
    when the mail is stored.  *priority* is among the caller's own mail that waits.
    *dsn* asks the relay for notifications.  *metadata* and *tags* are the caller's own,
    to find the mail by later; they are not in it.

    *on_progress* is called while a mail goes that is too large for one request, with
    the bytes of its contents that left and those there are; from the beginning again
    when the mail is sent again.  It is called from another thread.  What it
    raises ends the call, which then sends nothing.
    """

    relay: str
    request_id: str
    completion: Completion | str
    wait_timeout: Seconds
    retry: bool | RetryPolicy
    on_uncertain: OnUncertain | str
    send_at: datetime | timedelta | None
    expire_at: datetime | timedelta
    priority: Priority | str
    all_recipients_or_none: bool
    dsn: Dsn | None
    metadata: Mapping[str, str]
    tags: str | Iterable[str]
    on_progress: Progress | None


class RescheduleArguments(CallArguments, total=False):
    """When a delivery is to be sent: *send_at*, a time or a span from now.

    Without it that is now.  *expire_at* keeps its distance where it is not given.
    """

    send_at: datetime | timedelta | None
    expire_at: datetime | timedelta | None
    request_id: str


class RetryArguments(CallArguments, total=False):
    """How to go on with a delivery.

    *settlement* is what became of uncertain recipients; *recipients*, by the address
    as it was given, narrows the call to these.
    """

    settlement: Settlement | str
    recipients: Iterable[str]
    completion: Completion | str
    wait_timeout: Seconds
    expire_at: datetime | timedelta
    request_id: str


class StatsArguments(CallArguments, total=False):
    """Which numbers to get beside those of all.

    *include_relays* adds each relay with its pool, *include_tenants* each tenant,
    *include_latencies* how long things took.
    """

    include_relays: bool
    include_tenants: bool
    include_latencies: bool


class ListArguments(CallArguments, total=False):
    """Which deliveries to list: all conditions that are given must hold.

    *metadata* are up to five pairs.
    *view* is how much of each to get, "full" for recipients and attempts too;
    *page_size* how many to fetch at once.  *timeout* is for each page.
    """

    statuses: Status | str | Iterable[Status | str]
    relay: str
    recipient: str
    message_id: str
    tag: str
    metadata: Mapping[str, str]
    accepted_from: datetime
    accepted_before: datetime
    view: DeliveryView | str
    page_size: int


class EventArguments(CallArguments, total=False):
    """Which events to get, and from where on.

    All conditions that are given must hold: any of *deliveries*, *kinds* and *tags*,
    all pairs of *metadata*.  *cursor* is a place that was told before; without it
    *start* is "now" (the default) or "beginning", the oldest event kept.
    """

    cursor: str | None
    start: StartPosition | str
    deliveries: str | Delivery | DeliveryResult | Iterable[DeliveryName]
    kinds: EventKind | str | Iterable[EventKind | str]
    tags: str | Iterable[str]
    metadata: Mapping[str, str]


class WatchArguments(EventArguments, total=False):
    """Which events to watch.

    *on_cursor* is told each place once what comes before it was dealt with, heartbeats
    too.  *timeout* is for how long the service may be away at a time.
    """

    on_cursor: Callable[[str], None]


class PullArguments(EventArguments, total=False):
    """Which events to pull: at most *max_events* (1 to 1,000), and how long to *wait*
    for a first one (up to 60 s).
    """

    wait: Seconds
    max_events: int
