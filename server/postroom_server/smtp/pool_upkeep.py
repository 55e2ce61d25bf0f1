"""The one thread that looks after all pools: heartbeats, idle time-outs, ages."""

from __future__ import annotations

import threading

import structlog

from postroom_server.smtp.pool import SessionPool

_LONGEST_REST = 5.0
"""Seconds after which sessions that came to rest meanwhile are noticed."""
_SHORTEST_REST = 0.05

_log = structlog.get_logger(__name__)


class Upkeep:
    """Calls each pool's `maintain` when it is due; starts its thread when asked."""

    def __init__(self) -> None:
        self._wake = threading.Condition()
        self._pools: list[SessionPool] = []
        self._stopping = False
        self._thread: threading.Thread | None = None

    def add(self, pool: SessionPool) -> None:
        """Look after *pool* from now on."""
        with self._wake:
            self._pools.append(pool)
            self._wake.notify_all()

    def remove(self, pool: SessionPool) -> None:
        """Look after *pool* no longer; to be called before it is closed."""
        with self._wake:
            self._pools.remove(pool)

    def start(self) -> None:
        """Begin, on a daemon thread."""
        self._thread = threading.Thread(
            target=self._run, name="postroom-sessions", daemon=True
        )
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """End; waits *timeout* seconds for the round under way."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        if self._thread is not None:
            self._thread.join(timeout)

    def run_once(self) -> float:
        """Look after every pool once; seconds until the next is due."""
        with self._wake:
            pools = tuple(self._pools)
        rest = _LONGEST_REST
        for pool in pools:
            if self._stopping:
                break
            rest = min(rest, self._maintain(pool))
        return max(rest, _SHORTEST_REST)

    def _maintain(self, pool: SessionPool) -> float:
        try:
            return pool.maintain()
        except Exception:  # noqa: BLE001  its pool is named in the log
            # A bug in the upkeep of one pool must not end that of all others.
            _log.exception("pool.upkeep_failed", relay=pool.name)
            return _LONGEST_REST

    def _run(self) -> None:
        while not self._stopping:
            rest = self.run_once()
            with self._wake:
                self._wake.wait_for(lambda: self._stopping, rest)
