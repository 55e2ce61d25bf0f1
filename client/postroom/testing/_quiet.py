"""The service's log in the process of a test: only what is wrong, and to `logging`.

The service logs by structlog, whose settings are the process's and may be those of the
code under test: they stay as they are, but for the loggers of the service.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog

_log = logging.getLogger("postroom.testing")


class _Quiet:
    """Stands for the logger of a module of the service.

    Has what the processors and wrappers of the code under test ask of a logger, too.
    """

    name = "postroom.testing"
    disabled = False

    def getEffectiveLevel(self) -> int:  # noqa: N802  its name in `logging`
        """The least level that anybody hears."""
        return logging.WARNING

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802  its name in `logging`
        """Whether anybody hears that *level*."""
        return level >= self.getEffectiveLevel()

    def debug(self, *_: object, **__: object) -> None:
        """Nobody asked."""

    info = log = msg = debug

    def warning(self, event: object = "", **_: object) -> None:
        _log.warning("%s", event)

    warn = error = critical = fatal = exception = failure = err = warning


class _Loggers:
    """Makes the loggers: quiet ones for the service, for others what they had."""

    def __init__(self) -> None:
        self._others: Callable[..., Any] = structlog.get_config()["logger_factory"]
        self._was_configured = structlog.is_configured()
        structlog.configure(logger_factory=self)

    def __call__(self, *names: object) -> Any:  # noqa: ANN401  loggers have no type of their own
        if names and str(names[0]).startswith("postroom_server"):
            return _Quiet()
        return self._others(*names)

    def withdraw(self) -> None:
        """Leave structlog as it was, unless somebody has configured it since."""
        if structlog.get_config()["logger_factory"] is not self:
            return
        if self._was_configured:
            structlog.configure(logger_factory=self._others)
        else:
            structlog.reset_defaults()


class _Hush:
    """One for all doubles of the process: the last to end puts everything back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._doubles = 0
        self._loggers: _Loggers | None = None

    def begin(self) -> None:
        with self._lock:
            self._doubles += 1
            self._loggers = self._loggers or _Loggers()

    def end(self) -> None:
        with self._lock:
            self._doubles -= 1
            if self._doubles == 0 and self._loggers is not None:
                self._loggers.withdraw()
                self._loggers = None


_HUSH = _Hush()


@contextmanager
def quiet() -> Iterator[None]:
    """No line of the service is printed, for the length of a ``with`` block."""
    _HUSH.begin()
    try:
        yield
    finally:
        _HUSH.end()
