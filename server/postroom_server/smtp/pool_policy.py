"""When a pooled session is tested, kept alive or let go; no I/O and no clock.

Each session's limits are spread when it is made, so that sessions opened together do
not end together.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from postroom_server.domain.stats import CloseReason
from postroom_server.smtp.session import Session
from postroom_server.smtp.settings import PoolSettings


@dataclass(slots=True, eq=False)
class Pooled:
    """A session and the pool's notes on it; times are the pool's monotonic ones.

    *touched_at* is when the relay was last heard, *idle_since* when the session was
    last given back; a heartbeat moves only the first.  *loans* are how many have it;
    *unsettled* is set while one of them may still turn out to need it alone.
    """

    session: Session
    generation: int
    opened_at: float
    idle_since: float
    touched_at: float
    max_idle: float
    max_age: float
    max_messages: int
    loans: int = 0
    unsettled: object | None = None

    def takes_more(self, now: float) -> bool:
        """Whether one more may have it *now*, beside those who do."""
        session = self.session
        if self.unsettled is not None or self.loans >= session.places:
            return False
        if session.transactions + self.loans >= self.max_messages:
            return False
        return now - self.opened_at < self.max_age and session.has_room


def admitted(
    session: Session, generation: int, now: float, settings: PoolSettings
) -> Pooled:
    """A session that was just opened, with its share of the limits."""
    spread = 1 - settings.jitter * random.random()  # noqa: S311  no secret
    return Pooled(
        session=session,
        generation=generation,
        opened_at=now,
        idle_since=now,
        touched_at=now,
        max_idle=settings.idle_timeout * spread,
        max_age=settings.max_age * spread,
        max_messages=max(1, round(settings.max_messages * spread)),
    )


def worn_out(pooled: Pooled, now: float) -> CloseReason | None:
    """Why a sound session is not to be used again, if so."""
    if pooled.session.transactions >= pooled.max_messages:
        return CloseReason.USES
    if now - pooled.opened_at >= pooled.max_age:
        return CloseReason.AGE
    return None


def expired(pooled: Pooled, now: float) -> CloseReason | None:
    """Why an idle session is to be let go, if so."""
    if now - pooled.idle_since >= pooled.max_idle:
        return CloseReason.IDLE
    return worn_out(pooled, now)


def wants_noop(pooled: Pooled, now: float, settings: PoolSettings) -> bool:
    """Whether it was silent for so long that the relay is asked before reuse."""
    return now - pooled.touched_at > settings.noop_after


def wants_heartbeat(pooled: Pooled, now: float, settings: PoolSettings) -> bool:
    """Whether an idle session is to be kept alive now."""
    return now - pooled.touched_at >= settings.heartbeat


def due_at(pooled: Pooled, settings: PoolSettings) -> float:
    """When an idle session next wants attention."""
    return min(
        pooled.touched_at + settings.heartbeat,
        pooled.idle_since + pooled.max_idle,
        pooled.opened_at + pooled.max_age,
    )
