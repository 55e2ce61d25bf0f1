"""What callers get back about the service and its relays.

The fields are those of `postroom.v1`, where their meaning stands in full.  Times are
in UTC, durations in seconds; None is what the service left unset.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from postroom._plain import Plain
from postroom.results import SmtpReply
from postroom.words import (
    CloseReason,
    FailureReason,
    LatencyKind,
    Phase,
    RelayState,
    SessionState,
    StageResult,
    StatsWindow,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionStage(Plain):
    """One stage of a connection test."""

    phase: Phase
    result: StageResult
    reply: SmtpReply | None
    detail: str
    reason: FailureReason
    duration: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate(Plain):
    """A relay's certificate; *sha256* is its fingerprint."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: datetime | None
    not_after: datetime | None
    sha256: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsReport(Plain):
    """What TLS came to; *problem* says why it was not verified."""

    version: str
    cipher: str
    verified: bool
    problem: str
    certificate: Certificate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionReport(Plain):
    """The way to a relay; *diagnosis* says what works, or what to change."""

    ok: bool
    relay: str
    stages: tuple[ConnectionStage, ...]
    tls: TlsReport | None
    extensions: tuple[str, ...]
    auth_mechanism: str
    size_limit_bytes: int | None
    diagnosis: str
    duration: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryCounters(Plain):
    """What was counted; a delivery counts when its status becomes final."""

    accepted: int
    succeeded: int
    partial: int
    rejected: int
    failed: int
    temp_failed: int
    uncertain: int
    expired: int
    cancelled: int
    attempts: int
    retries: int
    temporary_failures: int
    transactions_accepted: int
    recipients_delivered: int
    recipients_refused: int
    bytes_sent: int
    reopened: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency(Plain):
    """How long things took; *bucket_counts* go with `Stats.latency_bounds_seconds`."""

    kind: LatencyKind
    count: int
    sum_seconds: float
    p50_seconds: float
    p90_seconds: float
    p99_seconds: float
    bucket_counts: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowStats(Plain):
    """The numbers of a span of time; rates are None where nothing ended in it."""

    window: StatsWindow
    length: float
    counters: DeliveryCounters | None
    send_rate: float
    success_rate: float | None
    failure_rate: float | None
    latencies: tuple[Latency, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseCount(Plain):
    """How many sessions were closed for one reason."""

    reason: CloseReason
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStats(Plain):
    """The sessions with one relay: gauges, then counters since the start."""

    max_size: int
    idle: int
    in_use: int
    opening: int
    waiting: int
    created: int
    reused: int
    closed: int
    closed_by: tuple[CloseCount, ...]
    wait_timeouts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStats(Plain):
    """What waits in the store."""

    due: int
    scheduled: int
    retrying: int
    sending: int
    oldest_due_age: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayPause(Plain):
    """Why a relay was paused, by whose credential, and when."""

    reason: str
    paused_by: str
    paused_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayCondition(Plain):
    """How a relay is; *pace* is the share of the full one that it is sent."""

    state: RelayState
    pace: float
    failures: int
    resumes_in: float
    pause: RelayPause | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayStats(Plain):
    """The numbers of one relay."""

    relay: str
    windows: tuple[WindowStats, ...]
    pool: PoolStats | None
    queue: QueueStats | None
    condition: RelayCondition | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantStats(Plain):
    """The numbers of one tenant."""

    tenant: str
    windows: tuple[WindowStats, ...]
    queue: QueueStats | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreHold(Plain):
    """Why the service delivers nothing of what it takes, and since when."""

    reason: str
    since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats(Plain):
    """The numbers of the service, taken at one moment."""

    taken_at: datetime | None
    started_at: datetime | None
    instance: str
    windows: tuple[WindowStats, ...]
    queue: QueueStats | None
    relays: tuple[RelayStats, ...]
    tenants: tuple[TenantStats, ...]
    latency_bounds_seconds: tuple[float, ...]
    hold: StoreHold | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits(Plain):
    """What the service takes; 0 where an older one does not tell."""

    max_request_bytes: int
    max_message_bytes: int
    max_body_bytes: int
    max_attachment_bytes: int
    max_attachments_bytes: int
    max_attachments: int
    max_recipients: int
    max_subject_length: int
    max_headers: int
    max_batch_items: int
    max_batch_recipients: int
    max_chunk_bytes: int
    max_wait: float
    max_send_ahead: float
    request_id_retention: float
    delivery_retention: float
    content_retention: float
    event_retention: float
    max_watch: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerInfo(Plain):
    """What the service is and can do."""

    version: str
    instance: str
    started_at: datetime | None
    server_time: datetime | None
    limits: ServerLimits | None
    features: tuple[str, ...]
    services: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayLimits(Plain):
    """How much a relay is sent, as configured; 0: no limit."""

    max_per_second: float
    burst: int
    max_recipients_per_day: int
    connections_per_minute: int
    max_sessions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay(Plain):
    """A relay: how it is reached, how it is, and what waits for it."""

    name: str
    host: str
    port: int
    condition: RelayCondition | None
    limits: RelayLimits | None
    pool: PoolStats | None
    queue: QueueStats | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draining(Plain):
    """A relay that is being drained; *attempts_left* 0: it is."""

    relay: Relay | None
    attempts_left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RelaySession(Plain):
    """One SMTP session."""

    relay: str
    state: SessionState
    remote: str
    tls_version: str
    age: float
    silent_for: float
    transactions: int
