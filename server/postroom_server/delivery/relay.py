"""A relay as the engine sees it: its sessions, its defaults, and whether it is well.

`RelayWatch` keeps a relay that refuses our credentials from being asked again and
again (no storm of log-ins), leaves one alone that fails again and again (its circuit is
open), and tells health what callers should know.  In both cases one attempt at a time
finds out whether that is over, after pauses that grow.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from postroom_server.delivery.findings import Finding, Found
from postroom_server.delivery.schedule import Chance
from postroom_server.delivery.throttle import Throttle
from postroom_server.domain.attempt import FailureReason
from postroom_server.domain.pacing import NO_LIMITS, Circuit, Limits
from postroom_server.domain.relays import RelayCondition, RelayPause, RelayState
from postroom_server.domain.submission import RetryPolicy
from postroom_server.smtp.pool import SessionPool
from postroom_server.smtp.settings import RelaySettings

FIRST_PROBE = 30.0
LAST_PROBE = 600.0
"""Seconds between tries at a relay that refuses us; the first, and the longest."""
FAILURES_BEFORE_UNHEALTHY = 3
"""Sessions in a row that failed before health says so."""

_CIRCUIT = Circuit()
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """One configured relay; *from_address* and *envelope_from* may be empty."""

    settings: RelaySettings
    pool: SessionPool
    watch: RelayWatch
    throttle: Throttle
    retry: RetryPolicy
    from_address: str = ""
    envelope_from: str = ""
    limits: Limits = NO_LIMITS

    @property
    def id(self) -> str:
        return self.settings.id

    @property
    def name(self) -> str:
        return f"relays/{self.id}"

    def condition(self) -> RelayCondition:
        """How it is, for administrators."""
        watch, share = self.watch, self.throttle.share
        state = RelayState.ACTIVE if share >= 1 else RelayState.SLOWED
        if watch.refuses:
            state = RelayState.LEFT_ALONE if watch.is_open else RelayState.REFUSING
        pause = watch.pause
        return RelayCondition(
            state=state if pause is None else RelayState.PAUSED,
            pace=share,
            failures=watch.failures,
            resumes_in=watch.resumes_in(),
            pause=pause,
        )

    def complained(self) -> None:
        """The relay asked us to slow down."""
        if self.throttle.complained():
            share = round(self.throttle.share, 3)
            _log.warning("relay.slowed_down", relay=self.id, share=share)


class RelayWatch:
    """Whether one relay takes our mail at present; fed with what attempts found."""

    def __init__(
        self,
        monotonic: Callable[[], float],
        on_health: Callable[[bool], None],
        chance: Chance = random.random,
        name: str = "",
        circuit: Circuit = _CIRCUIT,
    ) -> None:
        self._circuit = circuit
        self._monotonic = monotonic
        self._on_health = on_health
        self._chance = chance
        self._name = name
        # What one attribute tells is read without it.
        self._lock = threading.Lock()
        self._refusal: Finding | None = None
        self._failures = 0
        self._probing = False
        self._probe_at = 0.0
        self._pause = FIRST_PROBE
        self._look = circuit.first_pause
        self._paused: RelayPause | None = None
        self._held: RelayPause | None = None

    @property
    def pause(self) -> RelayPause | None:
        """Why nothing is begun: an administrator said so, or the store is on hold."""
        return self._held or self._paused

    def pause_for(self, pause: RelayPause | None) -> bool:
        """Begin nothing until it is called with None; whether that is new."""
        with self._lock:
            if self._paused == pause:
                return False
            self._paused = pause
        self._on_health(self.is_well)
        return True

    @property
    def is_held(self) -> bool:
        """Whether nothing is begun because the store is on hold."""
        return self._held is not None

    def hold_for(self, hold: RelayPause | None) -> None:
        """The same for the whole store, whatever is said of the relay meanwhile."""
        with self._lock:
            self._held = hold
        self._on_health(self.is_well)

    def try_now(self) -> None:
        """Let the next probe go at once, if one is waited for."""
        with self._lock:
            if self._refusal is not None and not self._probing:
                self._probe_at = self._monotonic()

    def refusal(self) -> Finding | None:
        """What to answer instead of dialling; None: go ahead.

        While the relay refuses us, or is left alone, one caller at a time is let
        through, as a probe; `worked`, `failed` or `undecided` tells how it ended.
        """
        if not self.refuses:
            return None
        with self._lock:
            if self._refusal is None:
                return None
            if self._monotonic() < self._probe_at:
                return self._refusal
            # Only where the probe's end is never told does the next one come so late.
            self._probe_at = self._monotonic() + LAST_PROBE
            self._probing = True
            return None

    @property
    def refuses(self) -> bool:
        """Whether the relay refused us when it was last asked, or is left alone."""
        return self._refusal is not None

    @property
    def is_open(self) -> bool:
        """Whether the relay is left alone after it failed again and again."""
        with self._lock:
            return self._leaves_alone()

    @property
    def failures(self) -> int:
        """Attempts in a row that could not speak with the relay."""
        with self._lock:
            return self._failures

    @property
    def is_well(self) -> bool:
        """Whether health says that the relay serves."""
        with self._lock:
            failing = self._failures >= FAILURES_BEFORE_UNHEALTHY
            well = self._refusal is None and not failing
            return well and (self._held or self._paused) is None

    def resumes_in(self) -> float:
        """Seconds until queued mail may try again; 0 when it may now."""
        if self._refusal is None:
            return 0.0
        with self._lock:
            return max(0.0, self._probe_at - self._monotonic())

    def worked(self) -> None:
        """The relay answered to the end, whatever it said of the mail."""
        if self._refusal is None and self._failures == 0:
            # As nearly always: there is nothing to take back.
            return
        with self._lock:
            was_well = self._refusal is None and self._failures == 0
            was_open = self._leaves_alone()
            self._clear()
        if was_open:
            _log.info("relay.circuit_closed", relay=self._name)
        if not was_well:
            self._on_health(self.is_well)

    def failed(self, finding: Finding) -> None:
        """The relay could not be spoken with, for the reason in *finding*."""
        with self._lock:
            self._failures += 1
            failures, was_open = self._failures, self._leaves_alone()
            if finding.found is Found.RELAY_AT_FAULT:
                self._refuse(finding)
            elif failures >= self._circuit.failures or self._probing:
                self._leave_alone(was_open=was_open)
            unhealthy = failures >= FAILURES_BEFORE_UNHEALTHY
            unhealthy = unhealthy or self._refusal is not None
            opened = self._leaves_alone() and not was_open
        if opened:
            why = finding.reason.name
            _log.warning(
                "relay.circuit_open", relay=self._name, failures=failures, reason=why
            )
        if unhealthy:
            self._on_health(False)

    def undecided(self) -> None:
        """A probe told nothing about the relay (its caller went): another may go."""
        with self._lock:
            if self._probing:
                self._probing = False
                self._probe_at = self._monotonic()

    def _clear(self) -> None:
        self._refusal, self._failures, self._probing = None, 0, False
        self._pause, self._look = FIRST_PROBE, self._circuit.first_pause

    def _refuse(self, finding: Finding) -> None:
        self._refusal = finding
        self._probing = False
        self._probe_at = self._monotonic() + self._pause
        self._pause = min(LAST_PROBE, self._pause * 2)

    def _leave_alone(self, *, was_open: bool) -> None:
        # Those that were under way when it opened say nothing new.
        if was_open and not self._probing:
            return
        self._refusal = _LEFT_ALONE
        self._probing = False
        # Between half and whole: a fleet must not come back together (threat R11).
        self._probe_at = self._monotonic() + self._look * (0.5 + 0.5 * self._chance())
        self._look = min(self._circuit.longest_pause, self._look * 2)

    def _leaves_alone(self) -> bool:
        return self._refusal is _LEFT_ALONE


_LEFT_ALONE = Finding(
    Found.LEFT_ALONE,
    FailureReason.RELAY_UNAVAILABLE,
    detail="the relay is left alone after repeated failures",
)
