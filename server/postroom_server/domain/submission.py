"""One mail and what to do with it: the fields of `postroom.v1.SendMessageRequest`."""

from __future__ import annotations

from dataclasses import field

from postroom_server.domain.clock import Instant
from postroom_server.domain.draft import MessageDraft, RawDraft
from postroom_server.domain.dsn import Dsn
from postroom_server.domain.labels import Pairs
from postroom_server.domain.numbered import Numbered
from postroom_server.domain.octets import Contents
from postroom_server.domain.principal import ANY_SENDER, DEFAULT_TENANT
from postroom_server.domain.values import value


class Completion(Numbered):
    """When the caller wants the answer."""

    UNSPECIFIED = 0
    RELAYED = 1
    ACCEPTED = 2
    RELAYED_OR_QUEUED = 3


class OnUncertain(Numbered):
    """What to do when the link was lost after the end of data."""

    UNSPECIFIED = 0
    RETRY = 1
    HOLD = 2


class Priority(Numbered):
    """How urgently a mail is taken from the queue."""

    UNSPECIFIED = 0
    BULK = 1
    NORMAL = 2
    URGENT = 3


QUICK_DELAYS = (1.0, 5.0, 30.0)
MIN_DELAY = 60.0
MAX_DELAY = 4 * 3600.0


@value(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How to retry; delays in seconds, *max_attempts* 0 for no limit but expiry."""

    disabled: bool = False
    quick_delays: tuple[float, ...] = QUICK_DELAYS
    min_delay: float = MIN_DELAY
    max_delay: float = MAX_DELAY
    max_attempts: int = 0


@value(frozen=True, slots=True, kw_only=True)
class RetryDraft:
    """A retry policy as asked for; None takes the relay's setting."""

    disabled: bool = False
    quick_delays: tuple[float, ...] = ()
    min_delay: float | None = None
    max_delay: float | None = None
    max_attempts: int = 0


@value(frozen=True, slots=True, kw_only=True)
class Submission:
    """A request to send, converted and not yet checked.

    *relay* is a whole name ("relays/main") or empty for the default; *wait_timeout*
    is in seconds; *metadata* is in the order of its names.  *parts* are the octets
    that came with the call, by "parts/{key}"; *senders* are those that its caller may
    use.
    """

    message: MessageDraft | RawDraft
    relay: str = ""
    request_id: str = ""
    completion: Completion = Completion.UNSPECIFIED
    wait_timeout: float | None = None
    retry: RetryDraft = RetryDraft()
    on_uncertain: OnUncertain = OnUncertain.UNSPECIFIED
    send_at: Instant | None = None
    expire_at: Instant | None = None
    all_recipients_or_none: bool = False
    dsn: Dsn | None = None
    priority: Priority = Priority.UNSPECIFIED
    metadata: Pairs = ()
    tags: tuple[str, ...] = ()
    parts: Contents = field(default_factory=dict)
    tenant: str = DEFAULT_TENANT
    senders: tuple[str, ...] = (ANY_SENDER,)
    trace_id: str = ""


@value(frozen=True, slots=True)
class RecipientPlan:
    """What would become of one recipient: as written, and as RCPT TO has it."""

    address: str
    envelope_address: str


@value(frozen=True, slots=True, kw_only=True)
class ValidationReport:
    """What would be sent; *relay* and *envelope_from* as the contract writes them."""

    size_bytes: int
    relay: str
    envelope_from: str
    recipients: tuple[RecipientPlan, ...]
    warnings: tuple[str, ...] = ()
