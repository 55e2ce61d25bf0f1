"""A store on hold: it takes mail and gives none away, until an operator says so."""

from __future__ import annotations

from dataclasses import dataclass

from postroom_server.domain.clock import Instant


@dataclass(frozen=True, slots=True)
class Hold:
    """Why nothing that waits is delivered, and since when."""

    reason: str
    since: Instant
