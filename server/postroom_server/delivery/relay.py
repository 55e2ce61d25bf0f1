"""A relay as the engine sees it: its sessions, its defaults, and whether it is well.

`RelayWatch` keeps a relay that refuses our credentials from being asked again and
again (no storm of log-ins), and tells health what callers should know.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from postroom_server.delivery.findings import Finding, Found
from postroom_server.domain.submission import RetryPolicy
from postroom_server.smtp.pool import SessionPool
from postroom_server.smtp.settings import RelaySettings

FIRST_PROBE = 30.0
LAST_PROBE = 600.0
"""Seconds between tries at a relay that refuses us; the first, and the longest."""
FAILURES_BEFORE_UNHEALTHY = 3
"""Sessions in a row that failed before health says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """One configured relay; *from_address* and *envelope_from* may be empty."""

    settings: RelaySettings
    pool: SessionPool
    watch: RelayWatch
    retry: RetryPolicy
    from_address: str = ""
    envelope_from: str = ""

    @property
    def id(self) -> str:
        return self.settings.id

    @property
    def name(self) -> str:
        return f"relays/{self.id}"


class RelayWatch:
    """Whether one relay takes our mail at present; fed with what attempts found."""

    def __init__(
        self, monotonic: Callable[[], float], on_health: Callable[[bool], None]
    ) -> None:
        self._monotonic = monotonic
        self._on_health = on_health
        self._lock = threading.Lock()
        self._refusal: Finding | None = None
        self._probe_at = 0.0
        self._pause = FIRST_PROBE
        self._failures = 0

    def refusal(self) -> Finding | None:
        """What to answer instead of dialling; None: go ahead.

        While the relay refuses us one caller at a time is let through, as a probe.
        """
        with self._lock:
            if self._refusal is None:
                return None
            if self._monotonic() < self._probe_at:
                return self._refusal
            self._probe_at = self._monotonic() + self._pause
            return None

    @property
    def refuses(self) -> bool:
        """Whether the relay refused us when it was last asked."""
        with self._lock:
            return self._refusal is not None

    @property
    def is_well(self) -> bool:
        """Whether health says that the relay serves."""
        with self._lock:
            failing = self._failures >= FAILURES_BEFORE_UNHEALTHY
            return self._refusal is None and not failing

    def resumes_in(self) -> float:
        """Seconds until queued mail may try again; 0 when it may now."""
        with self._lock:
            if self._refusal is None:
                return 0.0
            return max(0.0, self._probe_at - self._monotonic())

    def worked(self) -> None:
        """A session was opened, or used."""
        with self._lock:
            was_well = self._refusal is None and self._failures == 0
            self._refusal, self._failures, self._pause = None, 0, FIRST_PROBE
        if not was_well:
            self._on_health(True)

    def failed(self, finding: Finding) -> None:
        """No session could be had, for the reason in *finding*."""
        with self._lock:
            self._failures += 1
            unhealthy = self._failures >= FAILURES_BEFORE_UNHEALTHY
            if finding.found is Found.RELAY_AT_FAULT:
                unhealthy = True
                self._refusal = finding
                self._probe_at = self._monotonic() + self._pause
                self._pause = min(LAST_PROBE, self._pause * 2)
        if unhealthy:
            self._on_health(False)
