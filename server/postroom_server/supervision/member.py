"""One of several processes, as it sees the supervisor that started it.

Two pipes lead to the supervisor.  By one it is asked to leave, and learns by its end
that the supervisor is gone, however that died: it then leaves in order, so that nobody
is left whom nobody looks after.  By the other it tells that it takes mail; its end
tells the supervisor that it has died.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from postroom_server.config.values import Config

LEAVE = b"l"
LEAVE_AT_ONCE = b"x"
READY = b"r"


@dataclass(frozen=True, slots=True)
class Member:
    """Process *number* of several, from 1 on, with its descriptors."""

    number: int
    control: int
    status: int

    @classmethod
    def of(cls, words: str) -> Member:
        """What `str` of another made; raises `ValueError`."""
        number, control, status = map(int, words.split(":"))
        return cls(number, control, status)

    def __str__(self) -> str:
        return f"{self.number}:{self.control}:{self.status}"

    def adapted(self, config: Config) -> Config:
        """*config* with what each process has for itself: a port of its metrics."""
        host, _, port = config.metrics.listen.rpartition(":")
        if not host or port == "0":
            return config
        listen = f"{host}:{int(port) + self.number - 1}"
        return replace(config, metrics=replace(config.metrics, listen=listen))

    def obey(self, leave: Callable[[], None]) -> threading.Thread:
        """Call *leave* when the supervisor asks for that, or is gone.

        The thread that does ends with the supervisor.
        """
        for descriptor in (self.control, self.status):
            # Programs that we start must not keep the pipes open.
            os.set_inheritable(descriptor, False)
        thread = threading.Thread(
            target=self._run, args=(leave,), name="postroom-control", daemon=True
        )
        thread.start()
        return thread

    def tell_ready(self) -> None:
        """Tell the supervisor that mail is taken."""
        with suppress(OSError):
            os.write(self.status, READY)

    def _run(self, leave: Callable[[], None]) -> None:
        while word := os.read(self.control, 1):
            if word == LEAVE_AT_ONCE:
                os._exit(0)
            leave()
        leave()
