"""The numbers that GetStats tells, and what follows from them.

Only what is counted is kept; rates, shares and percentiles are computed from it, with
the definitions of `protos/postroom/v1/stats.proto`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from postroom_server.domain.clock import Instant
from postroom_server.domain.counters import Counters
from postroom_server.domain.hold import Hold
from postroom_server.domain.numbered import Numbered
from postroom_server.domain.relays import RelayCondition


class StatsWindow(Numbered):
    """A span of time."""

    UNSPECIFIED = 0
    ALL = 1
    SINCE_START = 2
    LAST_1M = 3
    LAST_5M = 4
    LAST_60M = 5


class LatencyKind(Numbered):
    """What is timed."""

    UNSPECIFIED = 0
    POOL = 1
    CONNECT = 2
    TLS = 3
    AUTH = 4
    TRANSACTION = 5
    SEND = 6


class CloseReason(Numbered):
    """Why a session was closed."""

    UNSPECIFIED = 0
    IDLE = 1
    AGE = 2
    USES = 3
    RELAY = 4
    DEAD = 5
    ERROR = 6
    DRAINED = 8


LATENCY_BOUNDS = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0),
)
"""The upper bounds of the buckets, in seconds; one more bucket is above the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How long things of one kind took; *bucket_counts* go with `LATENCY_BOUNDS`."""

    kind: LatencyKind
    sum_seconds: float
    bucket_counts: tuple[int, ...]

    @property
    def count(self) -> int:
        return sum(self.bucket_counts)

    @property
    def p50_seconds(self) -> float:
        return percentile(self.bucket_counts, 0.5)

    @property
    def p90_seconds(self) -> float:
        return percentile(self.bucket_counts, 0.9)

    @property
    def p99_seconds(self) -> float:
        return percentile(self.bucket_counts, 0.99)


def percentile(bucket_counts: Sequence[int], share: float) -> float:
    """What *share* of the things timed did not exceed, in seconds; 0 if there are none.

    It lies in the bucket of the true value, as if the bucket were filled evenly.
    Above the last bound that bound is all that is known.
    """
    # The tolerance keeps 0.9 * 10 from being a hair more than 9.
    wanted = share * sum(bucket_counts) - 1e-9
    below = 0
    for place, count in enumerate(bucket_counts[: len(LATENCY_BOUNDS)]):
        if count and below + count >= wanted:
            lower = LATENCY_BOUNDS[place - 1] if place else 0.0
            rank = min(count, max(0.0, wanted - below))
            return lower + (LATENCY_BOUNDS[place] - lower) * rank / count
        below += count
    return LATENCY_BOUNDS[-1] if any(bucket_counts) else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowStats:
    """What was counted in one span of time, *length* seconds long."""

    window: StatsWindow
    length: float
    counters: Counters
    latencies: tuple[Latency, ...] = ()

    @property
    def send_rate(self) -> float:
        """Deliveries that ended SUCCESS or PARTIAL, per second."""
        sent = self.counters.succeeded + self.counters.partial
        return sent / self.length if self.length > 0 else 0.0

    @property
    def success_rate(self) -> float | None:
        """SUCCESS as a share of all that ended but CANCELLED; None: none ended."""
        return self._share(self.counters.succeeded)

    @property
    def failure_rate(self) -> float | None:
        """The share that ended REJECTED, FAILED, TEMP_FAILED or EXPIRED."""
        counted = self.counters
        return self._share(
            counted.rejected + counted.failed + counted.temp_failed + counted.expired
        )

    def _share(self, part: int) -> float | None:
        ended = self.counters.ended - self.counters.cancelled
        return part / ended if ended else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStats:
    """The sessions of one relay: gauges, then counts since the start.

    idle + in_use + opening <= max_size, always.
    """

    max_size: int
    idle: int = 0
    in_use: int = 0
    opening: int = 0
    waiting: int = 0
    created: int = 0
    reused: int = 0
    closed_by: Mapping[CloseReason, int] = field(default_factory=dict)
    wait_timeouts: int = 0

    @property
    def closed(self) -> int:
        """Sessions closed since the start, for whatever reason."""
        return sum(self.closed_by.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStats:
    """What waits in the store; *oldest_due_age* in seconds, 0 when nothing is due."""

    due: int = 0
    scheduled: int = 0
    retrying: int = 0
    sending: int = 0
    oldest_due_age: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayStats:
    """The numbers of one relay; *relay* is its bare id."""

    relay: str
    windows: tuple[WindowStats, ...]
    pool: PoolStats
    queue: QueueStats
    condition: RelayCondition


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantStats:
    """The numbers of one tenant; *tenant* is its bare id."""

    tenant: str
    windows: tuple[WindowStats, ...]
    queue: QueueStats


@dataclass(frozen=True, slots=True, kw_only=True)
class StatsReport:
    """The numbers, taken at one moment by one process, *instance*."""

    taken_at: Instant
    started_at: Instant
    instance: str
    windows: tuple[WindowStats, ...]
    queue: QueueStats
    relays: tuple[RelayStats, ...] = ()
    tenants: tuple[TenantStats, ...] = ()
    hold: Hold | None = None
