"""Where tokens come from: a file that something else renews, or a command.

The first line is the token.  Nothing that a command writes is ever shown: what is
wrong with it is told by its exit status alone.
"""

from __future__ import annotations

import os
import selectors
import signal
import stat
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO

from postroom_server.smtp.timeouts import Deadline
from postroom_server.smtp.tokens import NoToken, TokenTimeout

_LARGEST = 64 * 1024
"""Octets of a file or of an output; what is larger holds no token."""
_PASSED_ON = frozenset(
    [
        *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR"),
        *("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"),
        *("NO_PROXY", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"),
        "CREDENTIALS_DIRECTORY",
    ]
)
"""Variables that a command gets.  Ours may hold passwords of relays."""


class TokenFile:
    """A file, read anew each time."""

    def __init__(self, path: str) -> None:
        self._path = path

    def read(self) -> str:
        """Its first line.  Raises `NoToken`."""
        try:
            # Opening a pipe would wait for a writer.
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK)
            with os.fdopen(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise NoToken(f"{self._path} is no regular file")
                return _first_line(file.read(_LARGEST + 1), self._path)
        except OSError as error:
            raise NoToken(f"can't read {self._path}: {error.strerror}") from None
        except ValueError:
            raise NoToken("no file has a NUL in its name") from None

    def stop(self) -> None:
        """Nothing here can hang."""


class TokenCommand:
    """A program, run anew each time, without a shell.

    It gets no input and few variables, and is a process group of its own: what it
    started ends with it when it takes too long.
    """

    def __init__(
        self,
        command: Sequence[str],
        timeout: float,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._command = tuple(command)
        self._timeout = timeout
        self._environ = {k: v for k, v in environ.items() if k in _PASSED_ON}
        self._lock = threading.Lock()
        self._stopped = False
        self._running: subprocess.Popen[bytes] | None = None

    def read(self) -> str:
        """The first line of its output.  Raises `NoToken`, also when it fails."""
        until = Deadline.after(self._timeout)
        with self._start() as process:
            try:
                output = _output(process, until)
                status = process.wait(until.remaining())
            except subprocess.TimeoutExpired:
                raise _slow(self._timeout) from None
            finally:
                self._end(process)
        if status != 0:
            raise NoToken(f"the token command failed: {_status(status)}")
        return _first_line(output, "the token command")

    def stop(self) -> None:
        """End it if it runs, and run it no more."""
        with self._lock:
            self._stopped = True
            if self._running is not None:
                _kill(self._running)

    def _start(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._stopped:
                raise NoToken("the service is being stopped")
            try:
                self._running = subprocess.Popen(  # noqa: S603  the operator's own words, and no shell
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env=self._environ,
                    start_new_session=True,
                )
            except OSError as error:
                text = f"the token command did not start: {error.strerror}"
                raise NoToken(text) from None
            return self._running

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        with self._lock:
            self._running = None
            if process.returncode is None:
                _kill(process)


def _output(process: subprocess.Popen[bytes], until: Deadline) -> bytes:
    """All that *process* writes.  Raises `NoToken` when that is too much."""
    pipe: IO[bytes] | None = process.stdout
    assert pipe is not None
    output = b""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while selector.select(until.remaining()):
            piece = os.read(pipe.fileno(), _LARGEST)
            output += piece
            if not piece:
                return output
            if len(output) > _LARGEST:
                raise NoToken("the token command wrote more than a token")
    raise subprocess.TimeoutExpired("", 0)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End it and all that it started; it is not reaped yet, so its id is its own."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _slow(seconds: float) -> TokenTimeout:
    return TokenTimeout(f"the token command took longer than {seconds:g} s")


def _status(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"exit status {status}"


def _first_line(octets: bytes, source: str) -> str:
    line = octets.partition(b"\n")[0]
    if len(octets) > _LARGEST:
        raise NoToken(f"{source} holds more than a token")
    try:
        return line.decode("ascii")
    except UnicodeDecodeError:
        raise NoToken(f"{source} gave no token (RFC 6750)") from None
