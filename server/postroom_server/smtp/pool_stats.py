"""What a pool counts, between two readings (`domain.stats.PoolStats`)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from postroom_server.domain.stats import CloseReason


@dataclass(slots=True)
class PoolCounts:
    """The counts of a pool; guarded by its lock."""

    created: int = 0
    reused: int = 0
    wait_timeouts: int = 0
    closed_by: Counter[CloseReason] = field(default_factory=Counter)
