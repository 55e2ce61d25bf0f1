"""`postroomd` as a process of its own: started, killed, asked to stop."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from postroom import Client, Health, PostroomError

START = 60.0
PAUSE = threading.Event()
_names: list[int] = []
"""Descriptors of what reserves ports."""


@dataclass
class Daemon:
    """A running `postroomd`; *log* has what it wrote so far, line by line.

    *reader* ends with the last that has its standard error.
    """

    process: subprocess.Popen[bytes]
    target: str
    log: list[bytes]
    reader: threading.Thread

    def kill(self) -> None:
        """`kill -9`."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self, patience: float = 30.0) -> int:
        """SIGTERM; the exit status, when all that it wrote is in the log."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(patience)
        self.reader.join(patience)
        return status


def free_port() -> int:
    """A port that was free a moment ago, below those that the kernel hands out.

    A process that is killed and started again wants its port back, which no connection
    of another may have been given meanwhile.  Nobody gets it twice, nor gets what tests
    that run side by side have got and not bound yet.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        if _reserved(port):
            with contextlib.suppress(OSError), socket.create_server(_here(port)):
                return port


def _here(port: int) -> tuple[str, int]:
    return ("127.0.0.1", port)


def _reserved(port: int) -> bool:
    """Whether it is ours from now on, as long as this process lives."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as name:
        # A name without a file, which ends with us.
        name.bind(f"\0postroom-tests-{port}")
        _names.append(name.detach())
        return True
    return False


@contextlib.contextmanager
def daemon(
    config: Path,
    port: int,
    ca_file: Path | None = None,
    program: str = "postroom_server",
    **environment: str,
) -> Iterator[Daemon]:
    """`postroomd` with *config* on *port*, ready to take mail."""
    target = f"127.0.0.1:{port}"
    process = subprocess.Popen(
        [sys.executable, "-m", program, "--config", str(config)],
        env={**os.environ, "POSTROOM_LISTEN": target, **environment},
        stderr=subprocess.PIPE,
    )
    # What it logs must not fill the pipe and stop it.
    log: list[bytes] = []
    reader = threading.Thread(
        target=lambda: log.extend(process.stderr), name="daemon-log", daemon=True
    )
    reader.start()
    try:
        if not _ready(Client(target, max_attempts=1, ca_file=ca_file), process):
            raise AssertionError(b"".join(log).decode())
        yield Daemon(process, target, log, reader)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)
        reader.join(10)
        process.stderr.close()


def _ready(client: Client, process: subprocess.Popen[bytes]) -> bool:
    with client:
        for _ in range(int(START / 0.05)):
            if process.poll() is not None:
                return False
            with contextlib.suppress(PostroomError):
                if (
                    client.health("postroom.v1.DeliveryService", timeout=1)
                    is Health.SERVING
                ):
                    return True
            PAUSE.wait(0.05)
    return False
