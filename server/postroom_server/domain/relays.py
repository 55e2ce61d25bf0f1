"""How a relay is at present: what administrators are told, and what they said."""

from __future__ import annotations

from dataclasses import dataclass

from postroom_server.domain.clock import Instant
from postroom_server.domain.numbered import Numbered


class RelayState(Numbered):
    """Whether mail goes to a relay; where several hold, the last is told."""

    UNSPECIFIED = 0
    ACTIVE = 1
    SLOWED = 2
    LEFT_ALONE = 3
    REFUSING = 4
    PAUSED = 5


class SessionState(Numbered):
    """What a session of a relay does."""

    UNSPECIFIED = 0
    IDLE = 1
    IN_USE = 2


@dataclass(frozen=True, slots=True)
class RelayPause:
    """Why an administrator paused a relay, who (a credential's name), and when."""

    reason: str
    paused_by: str
    paused_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayCondition:
    """How a relay is; *pace* is a share, above 0 and up to 1.

    *failures* are attempts in a row that could not speak with it, *resumes_in* is in
    seconds, for one that is left alone or refuses us.
    """

    state: RelayState
    pace: float = 1.0
    failures: int = 0
    resumes_in: float = 0.0
    pause: RelayPause | None = None
