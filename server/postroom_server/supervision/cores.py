"""Keeping a process to one of the cores that it may use.

Python computes on one core at a time, and each wait of a thread hands that on.  Where
the threads of a process sit on several cores, every hand-over wakes another one and
finds its caches cold, which costs more than the little that runs beside Python gains:
kept to one core, a small mail takes two thirds of the processor time.

The system moves others out of our way, but not those who keep to the same core; so a
thread, "postroom-core", looks now and then whether a core is crowded, and moves us.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

LOOK_EVERY = 5.0
"""Seconds."""
CROWDED = 0.4
"""The share of our core that others may take until we look for a better one."""
BETTER = 0.2
"""By so much less another must be used, or we would wander about."""

Shares = Mapping[int, float]
"""How much of each core was used, 0 to 1."""


def stay_on_one(number: int | None = None) -> None:
    """`keep_to_one`, and move where another core is better, until the process ends."""
    cores = keep_to_one(number)
    if len(cores) > 1:
        threading.Thread(
            target=_look, args=(cores,), name="postroom-core", daemon=True
        ).start()


def keep_to_one(number: int | None = None) -> frozenset[int]:
    """Keep this thread, and those that it starts, to one core.

    The processes of one service, by their *number* from 1 on, take different ones in
    turn; one alone takes any.  Those that there were to choose from; none where the
    system can't do that.
    """
    if sys.platform != "linux":
        return frozenset()
    cores = sorted(os.sched_getaffinity(0))
    turn = random.randrange(len(cores)) if number is None else number - 1  # noqa: S311  spreads load, hides nothing
    os.sched_setaffinity(0, {cores[turn % len(cores)]})
    return frozenset(cores)


def better_core(core: int, shares: Shares, own: float) -> int | None:
    """The core to move to from *core*, of which *own* is our share; None: stay."""
    others = shares.get(core, 0.0) - own
    if others <= CROWDED:
        return None
    least = min(shares, key=lambda one: shares[one])
    return least if shares[least] < others - BETTER else None


def move(core: int) -> None:
    """Have all threads of this process on *core*."""
    for thread in Path("/proc/self/task").iterdir():
        # It may have ended meanwhile.
        with suppress(OSError):
            os.sched_setaffinity(int(thread.name), {core})


def used_ticks(text: str) -> dict[int, int]:
    """What each core has been used for, in ticks, by */proc/stat*."""
    ticks = {}
    for line in text.splitlines():
        name, *numbers = line.split()
        if name.startswith("cpu") and name[3:].isdigit():
            user, nice, system, _idle, _waiting, *rest = map(int, numbers[:8])
            ticks[int(name[3:])] = user + nice + system + sum(rest)
    return ticks


def _look(cores: frozenset[int]) -> None:
    before, never = _Reading.now(), threading.Event()
    while not never.wait(LOOK_EVERY):
        after = _Reading.now()
        (core, *_) = os.sched_getaffinity(0)
        shares = after.shares_since(before, cores)
        found = better_core(core, shares, after.own_since(before))
        if found is not None:
            move(found)
        before = after


@dataclass(frozen=True, slots=True)
class _Reading:
    """What was used so far: of each core in ticks, by us in seconds; and when."""

    ticks: Shares
    own: float
    at: float

    @classmethod
    def now(cls) -> _Reading:
        ticks = used_ticks(Path("/proc/stat").read_text(encoding="ascii"))
        return cls(ticks, time.process_time(), time.monotonic())

    def shares_since(self, before: _Reading, cores: frozenset[int]) -> Shares:
        seconds = (self.at - before.at) * os.sysconf("SC_CLK_TCK")
        known = cores & self.ticks.keys() & before.ticks.keys()
        return {c: (self.ticks[c] - before.ticks[c]) / seconds for c in known}

    def own_since(self, before: _Reading) -> float:
        return (self.own - before.own) / (self.at - before.at)
