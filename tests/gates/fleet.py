"""`postroomd` once or several times over one store, in a hurry (see `hurried`)."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Self

import psutil

from tests.gates.figures import figure
from tests.support.process import Daemon, daemon, free_port
from tests.support.service import plain, settings

ROOT = Path(__file__).parents[2]
START = figure(40.0, 10.0)
"""Seconds, without those in which the machine had others to serve."""
POOL = 4
NO_KEYS: Mapping[str, object] = MappingProxyType({})


class Fleet:
    """*size* processes, which come up and go down one by one; a context manager.

    They deliver to the relay at *relay_port*.  *url* is the address of their store;
    without one it is a file, and *size* is 1.  *keys* are those of the relay,
    *environment* goes to the processes.
    """

    def __init__(
        self,
        folder: Path,
        relay_port: int,
        size: int = 1,
        url: str = "",
        keys: Mapping[str, object] = NO_KEYS,
        **environment: str,
    ) -> None:
        self.daemons: list[Daemon | None] = [None] * size
        self._url = url
        self._relay = plain(relay_port, pool_size=POOL, **keys)
        self._environment = environment
        self._folders = [folder / f"p{number}" for number in range(size)]
        self._ports = [free_port() for _ in range(size)]
        self._lives = [ExitStack() for _ in range(size)]

    def __enter__(self) -> Self:
        for number, folder in enumerate(self._folders):
            folder.mkdir()
            os.mkfifo(folder / "death")
            self.up(number)
        return self

    def __exit__(self, *_: object) -> None:
        for life in self._lives:
            life.close()

    @property
    def targets(self) -> list[str]:
        """Where those are that are up."""
        return [one.target for one in self.daemons if one is not None]

    def up(self, number: int) -> None:
        """Start the process, which must be there soon."""
        began = time.monotonic()
        folder = self._folders[number]
        started = daemon(
            settings(folder, {"main": self._relay}, store=self._url),
            self._ports[number],
            program="tests.gates.hurried",
            PYTHONPATH=str(ROOT),
            POSTROOM_GATE_DEATH=str(folder / "death"),
            **self._environment,
        )
        self.daemons[number] = self._lives[number].enter_context(started)
        pid = self.daemons[number].process.pid
        took = time.monotonic() - began - starved(pid)
        assert took < START, f"the start took {took:.1f} s"

    def up_again(self) -> None:
        """Start what is down."""
        for number, one in enumerate(self.daemons):
            if one is None:
                self.up(number)

    def condemn(self, number: int, point: str, passes: int) -> None:
        """Let the process kill itself at *point* after so many passes."""
        (self._folders[number] / "death").write_text(f"{passes} {point}\n")

    def kill(self, number: int) -> None:
        """`kill -9`."""
        victim = self.daemons[number]
        assert victim is not None
        victim.kill()
        self._bury(number)

    def await_death(self, number: int, seconds: float) -> None:
        """Wait until the process has killed itself."""
        victim = self.daemons[number]
        assert victim is not None
        victim.process.wait(seconds)
        self._bury(number)

    def freeze(self, number: int) -> None:
        """SIGSTOP."""
        self._signal(number, signal.SIGSTOP)

    def thaw(self, number: int) -> None:
        """SIGCONT."""
        self._signal(number, signal.SIGCONT)

    def end(self, number: int, seconds: float) -> int:
        """SIGTERM; the exit status."""
        victim = self.daemons[number]
        assert victim is not None
        status = victim.stop(seconds)
        self._bury(number)
        return status

    def at(self, port: int) -> int | None:
        """Which of them has a connection at *port*; None: it was given up."""
        for number, one in enumerate(self.daemons):
            links = psutil.Process(one.process.pid).net_connections() if one else ()
            if any(link.laddr.port == port for link in links):
                return number
        return None

    def _signal(self, number: int, which: signal.Signals) -> None:
        one = self.daemons[number]
        assert one is not None
        one.process.send_signal(which)

    def _bury(self, number: int) -> None:
        self.daemons[number] = None
        self._lives[number].close()


def starved(pid: int) -> float:
    """How long the first thread of a process was ready and had no processor."""
    _ran, waited, _turns = Path(f"/proc/{pid}/schedstat").read_text().split()
    return int(waited) / 1e9
