"""When to try again.  Pure: no clock, and chance is passed in.

Quick retries serve a caller who waits (specification: 1 s, 5 s, 30 s).  The long
schedule serves mail that was accepted: delays double up to a limit, with full jitter,
so that what failed together does not come back together (threat R11).
"""

from __future__ import annotations

from collections.abc import Callable

from postroom_server.domain.clock import Instant
from postroom_server.domain.pacing import until_tomorrow
from postroom_server.domain.submission import RetryPolicy

UNCERTAIN_DELAY = 300.0
"""Before mail that may have arrived is sent again, in seconds."""
UNCERTAIN_DELAY_QUICK = 30.0
"""The same while a caller waits for COMPLETION_RELAYED."""
SHORTEST_DELAY = 1.0
"""Full jitter may draw nothing; a relay that just refused gets at least this."""

MORNING = 60.0
"""Seconds over which a new day's first mail is spread."""

Chance = Callable[[], float]
"""Draws from 0.0 up to 1.0; `random.random`."""


def quick_delay(policy: RetryPolicy, tries: int) -> float | None:
    """The delay after the *tries*-th try, or None when the quick ones are used up."""
    if not allows_another(policy, tries) or tries > len(policy.quick_delays):
        return None
    return policy.quick_delays[tries - 1]


def long_delay(policy: RetryPolicy, tries: int, chance: Chance) -> float | None:
    """The delay after the *tries*-th try, or None when no further one is allowed."""
    if not allows_another(policy, tries):
        return None
    doublings = min(tries - 1, 32)  # 2.0 ** 1024 would overflow
    ceiling = min(policy.max_delay, policy.min_delay * 2.0**doublings)
    return max(SHORTEST_DELAY, ceiling * chance())


def next_day_delay(now: Instant, chance: Chance) -> float:
    """The delay until the next day (UTC), and up to `MORNING` more."""
    return until_tomorrow(now) + MORNING * chance()


def allows_another(policy: RetryPolicy, tries: int) -> bool:
    """Whether *policy* allows one more try after *tries* of them."""
    if policy.disabled:
        return False
    return not policy.max_attempts or tries < policy.max_attempts
