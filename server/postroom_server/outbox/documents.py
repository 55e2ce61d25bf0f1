"""Recipients, plans, attempts and events out of JSON objects, and plans into them.

Keys are short and what has its default value is left out; a reader takes a missing key
for the default, so that documents of older versions stay readable.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from json.encoder import (  # type: ignore[attr-defined]  # CPython has it
    c_make_encoder,
    encode_basestring_ascii,
)
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


# One encoder for all documents: `JSONEncoder.encode` makes one for each.
_pieces = c_make_encoder(
    None, None, encode_basestring_ascii, None, ":", ",", False, False, True
)


def compact(document: object) -> str:
    """*document* as ASCII text without spaces."""
    return "".join(_pieces(document, 0))


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
    if plan.retry is not _DEFAULT_RETRY and plan.retry != _DEFAULT_RETRY:
        document["r"] = _retry_document(plan.retry)
    return document


@lru_cache(1024)
def plan_text(plan: Plan) -> str:
    """The same as text: few plans differ, and each is written with every change."""
    return compact(plan_document(plan))


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


def _retry_document(retry: RetryPolicy) -> Document:
    default = _DEFAULT_RETRY
    document: Document = {}
    if retry.disabled:
        document["x"] = True
    if retry.min_delay != default.min_delay:
        document["n"] = float(retry.min_delay)
    if retry.max_delay != default.max_delay:
        document["m"] = float(retry.max_delay)
    if retry.max_attempts:
        document["a"] = retry.max_attempts
    if retry.quick_delays != default.quick_delays:
        document["q"] = [float(delay) for delay in retry.quick_delays]
    return document


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


def recipient_in(document: Read) -> Recipient:
    """The recipient that `recipient_text` made."""
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


def attempt_in(document: Read) -> Attempt:
    """The attempt that `attempt_text` made."""
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


def event_in(kind: EventKind, at: Instant, document: Read) -> Event:
    """The event that `event_text` made, with what its columns hold."""
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
