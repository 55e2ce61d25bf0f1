"""The service as several processes: the port is held, the signals are ours."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from postroom_server.config.values import Config
from postroom_server.rpc.listening import reserved
from postroom_server.supervision.child import Child
from postroom_server.supervision.ending import nothing_more
from postroom_server.supervision.supervisor import Supervisor, Terms

MARGIN = 35.0
"""Seconds beyond their grace until processes that hang have ended themselves."""


def supervise(config: Config, arguments: Sequence[str]) -> int:
    """Run the processes that *config* asks for until they have ended.

    *arguments* are those of our own command line.  The exit status; raises
    `ListenError`.
    """
    leaving = config.server.drain_delay + 2 * config.server.drain_grace + MARGIN
    with reserved(config.listen) as address, _signals() as signals:
        terms = Terms(
            processes=config.server.processes, address=address, leaving=leaving
        )
        return Supervisor(_starter(config, address, arguments), terms, signals).run()


def _starter(
    config: Config, address: str, arguments: Sequence[str]
) -> Callable[[int, float], Child]:
    command = [sys.executable, "-m", "postroom_server", *arguments]
    environ = {
        **os.environ,
        # A free port was chosen once, for all.
        "POSTROOM_LISTEN": address,
        "POSTROOM_SERVER__PROCESSES": str(config.server.processes),
    }
    return lambda number, now: Child(number, command, environ, now)


@contextmanager
def _signals() -> Iterator[int]:
    """A descriptor that can be read when a signal came."""
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    before = signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    asks = (signal.SIGTERM, signal.SIGINT)
    handlers = {number: signal.signal(number, nothing_more) for number in asks}
    # A terminal that goes away is no reason to stop delivering mail.
    handlers[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield told
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(before)
        os.close(told)
        os.close(tell)
