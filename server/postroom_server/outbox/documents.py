"""Recipients, plans, attempts and events as JSON objects, and back.

Keys are short and what has its default value is left out; a reader takes a missing key
for the default, so that documents of older versions stay readable.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from operator import attrgetter
from typing import Any

from postroom_server.domain.attempt import (
    Attempt,
    AttemptOutcome,
    FailureReason,
    Phase,
    PhaseTiming,
)
from postroom_server.domain.clock import Instant
from postroom_server.domain.delivery import (
    DeliveryStatus,
    Plan,
    Recipient,
    RecipientStatus,
)
from postroom_server.domain.dsn import Dsn, DsnNotify, DsnReturn
from postroom_server.domain.events import Event, EventKind
from postroom_server.domain.reply import Reply
from postroom_server.domain.submission import (
    Completion,
    OnUncertain,
    Priority,
    RetryPolicy,
)

Document = dict[str, Any]
Read = Mapping[str, Any]


class Fields:
    """Attributes of a value that become keys: the key, the attribute, its default."""

    __slots__ = ("_defaults", "_keys", "_read")

    def __init__(self, *fields: tuple[str, str, object]) -> None:
        self._keys = tuple(key for key, _, _ in fields)
        self._read = attrgetter(*(name for _, name, _ in fields))
        self._defaults = tuple(default for _, _, default in fields)

    def put(self, document: Document, value: object) -> Document:
        """Add to *document* those attributes of *value* that are not their defaults."""
        held = zip(self._keys, self._read(value), self._defaults, strict=True)
        for key, now, default in held:
            if now != default:
                document[key] = now
        return document


compact = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode

_RETRY = Fields(
    ("x", "disabled", False),
    ("n", "min_delay", RetryPolicy().min_delay),
    ("m", "max_delay", RetryPolicy().max_delay),
    ("a", "max_attempts", 0),
)
_RECIPIENT = Fields(
    ("s", "status", RecipientStatus.PENDING),
    ("r", "reason", FailureReason.UNSPECIFIED),
    ("d", "detail", ""),
    ("t", "settled_at", None),
    ("u", "in_doubt", False),
)
_ATTEMPT = Fields(
    ("e", "ended_at", None),
    ("o", "outcome", AttemptOutcome.RUNNING),
    ("p", "phase", Phase.UNSPECIFIED),
    ("r", "reason", FailureReason.UNSPECIFIED),
    ("d", "detail", ""),
    ("h", "remote", ""),
    ("u", "session_reused", False),
    ("v", "tls_version", ""),
    ("ok", "recipients_delivered", 0),
    ("no", "recipients_refused", 0),
    ("df", "recipients_deferred", 0),
)
_EVENT = Fields(
    ("s", "status", 0),
    ("to", "recipient", ""),
    ("a", "attempt", 0),
    ("r", "reason", FailureReason.UNSPECIFIED),
    ("d", "detail", ""),
    ("n", "next_attempt_at", None),
)


def put_reply(document: Document, reply: Reply | None) -> Document:
    """Add *reply* to *document*, if there is one."""
    if reply is not None:
        document["re"] = [reply.code, reply.enhanced_code, reply.text, reply.phase]
    return document


def reply_in(document: Read) -> Reply | None:
    """The reply that *document* holds."""
    held = document.get("re")
    if held is None:
        return None
    code, enhanced, text, phase = held
    return Reply(code, enhanced, text, Phase(phase))


def plan_document(plan: Plan) -> Document:
    """*plan* as an object."""
    document: Document = {"c": plan.completion, "u": plan.on_uncertain}
    if plan.all_recipients_or_none:
        document["a"] = True
    if plan.dsn is not None:
        document["d"] = _dsn_document(plan.dsn)
    if plan.priority is not Priority.NORMAL:
        document["p"] = plan.priority
    retry = _RETRY.put({}, plan.retry)
    if plan.retry.quick_delays != _DEFAULT_RETRY.quick_delays:
        retry["q"] = plan.retry.quick_delays
    if retry:
        document["r"] = retry
    return document


def plan_in(document: Read) -> Plan:
    """The plan that `plan_document` made."""
    return Plan(
        completion=Completion(document["c"]),
        on_uncertain=OnUncertain(document["u"]),
        retry=_retry_in(document["r"]) if "r" in document else _DEFAULT_RETRY,
        all_recipients_or_none=document.get("a", False),
        dsn=_dsn_in(document["d"]) if "d" in document else None,
        priority=Priority(document.get("p", Priority.NORMAL)),
    )


def _dsn_document(dsn: Dsn) -> list[Any]:
    return [dsn.notify, dsn.return_content, dsn.envelope_id, dsn.required]


def _dsn_in(document: list[Any]) -> Dsn:
    notify, return_content, envelope_id, required = document
    return Dsn(
        notify=tuple(map(DsnNotify, notify)),
        return_content=DsnReturn(return_content),
        envelope_id=envelope_id,
        required=required,
    )


def recipient_document(recipient: Recipient) -> Document:
    """*recipient* as an object."""
    document: Document = {"w": recipient.wire}
    if recipient.address != recipient.wire:
        document["a"] = recipient.address
    _RECIPIENT.put(document, recipient)
    return put_reply(document, recipient.reply)


def recipient_in(document: Read) -> Recipient:
    """The recipient that `recipient_document` made."""
    wire = document["w"]
    return Recipient(
        address=document.get("a", wire),
        wire=wire,
        status=RecipientStatus(document.get("s", RecipientStatus.PENDING)),
        reason=FailureReason(document.get("r", 0)),
        reply=reply_in(document),
        detail=document.get("d", ""),
        settled_at=document.get("t"),
        in_doubt=document.get("u", False),
    )


def attempt_document(attempt: Attempt) -> Document:
    """*attempt* as an object."""
    document: Document = {
        "i": attempt.number,
        "l": attempt.relay,
        "b": attempt.started_at,
    }
    _ATTEMPT.put(document, attempt)
    if attempt.timings:
        document["t"] = [[timing.phase, timing.seconds] for timing in attempt.timings]
    return put_reply(document, attempt.reply)


def attempt_in(document: Read) -> Attempt:
    """The attempt that `attempt_document` made."""
    timings = document.get("t", ())
    return Attempt(
        number=document["i"],
        relay=document["l"],
        started_at=Instant(document["b"]),
        ended_at=document.get("e"),
        outcome=AttemptOutcome(document.get("o", AttemptOutcome.RUNNING)),
        phase=Phase(document.get("p", 0)),
        reply=reply_in(document),
        reason=FailureReason(document.get("r", 0)),
        detail=document.get("d", ""),
        remote=document.get("h", ""),
        session_reused=document.get("u", False),
        tls_version=document.get("v", ""),
        timings=tuple(PhaseTiming(Phase(phase), secs) for phase, secs in timings),
        recipients_delivered=document.get("ok", 0),
        recipients_refused=document.get("no", 0),
        recipients_deferred=document.get("df", 0),
    )


def event_document(event: Event) -> Document:
    """*event* as an object, less what has a column: its kind and time."""
    return put_reply(_EVENT.put({}, event), event.reply)


def event_in(kind: EventKind, at: Instant, document: Read) -> Event:
    """The event that `event_document` made, with what its columns hold."""
    return Event(
        kind=kind,
        occurred_at=at,
        status=DeliveryStatus(document["s"]),
        recipient=document.get("to", ""),
        attempt=document.get("a", 0),
        reason=FailureReason(document.get("r", 0)),
        reply=reply_in(document),
        detail=document.get("d", ""),
        next_attempt_at=document.get("n"),
    )


_DEFAULT_RETRY = RetryPolicy()


def _retry_in(document: Read) -> RetryPolicy:
    default = _DEFAULT_RETRY
    return RetryPolicy(
        disabled=document.get("x", False),
        quick_delays=tuple(document.get("q", default.quick_delays)),
        min_delay=document.get("n", default.min_delay),
        max_delay=document.get("m", default.max_delay),
        max_attempts=document.get("a", 0),
    )
