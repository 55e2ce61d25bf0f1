"""What a pool counts; the numbers of `postroom.v1.PoolStats`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum


class CloseReason(IntEnum):
    """Why a session was closed."""

    UNSPECIFIED = 0
    IDLE = 1
    AGE = 2
    USES = 3
    RELAY = 4
    DEAD = 5
    ERROR = 6
    CHANGED = 7
    DRAINED = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStats:
    """One consistent reading: gauges first, then counts since the start.

    idle + in_use + opening <= max_size, always.
    """

    max_size: int
    idle: int
    in_use: int
    opening: int
    waiting: int
    created: int
    reused: int
    closed: int
    closed_by: Mapping[CloseReason, int]
    wait_timeouts: int


@dataclass(slots=True)
class PoolCounts:
    """The counts of a pool; guarded by its lock."""

    created: int = 0
    reused: int = 0
    wait_timeouts: int = 0
    closed_by: Counter[CloseReason] = field(default_factory=Counter)
