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
_lock = threading.Lock()
_doubles = 0
_before: Callable[..., Any] | None = None


class _Quiet:
    """Stands for the logger of a module of the service."""

    def debug(self, *_: object, **__: object) -> None:
        """Nobody asked."""

    info = log = msg = debug

    def warning(self, event: object = "", **_: object) -> None:
        _log.warning("%s", event)

    warn = error = critical = fatal = exception = failure = err = warning


@contextmanager
def quiet() -> Iterator[None]:
    """No line of the service is printed, for the length of a ``with`` block."""
    global _doubles, _before  # noqa: PLW0603  structlog's settings are the process's too
    with _lock:
        _doubles += 1
        if _doubles == 1:
            _before = structlog.get_config()["logger_factory"]
            structlog.configure(logger_factory=_factory(_before))
    try:
        yield
    finally:
        with _lock:
            _doubles -= 1
            if not _doubles:
                structlog.configure(logger_factory=_before)


def _factory(others: Callable[..., Any]) -> Callable[..., Any]:
    def logger(*names: object) -> Any:  # noqa: ANN401  loggers have no type of their own
        if names and str(names[0]).startswith("postroom_server"):
            return _Quiet()
        return others(*names)

    return logger
