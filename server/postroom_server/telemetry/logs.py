"""The log: one event a line, as JSON, or for people on a terminal.

Everything goes through one chain of processors that ends in `Redaction`: our events,
other libraries' records, warnings, and what kills a thread.  Libraries are heard from
WARNING on, whatever our own level is: at DEBUG some of them write what a client sent,
AUTH included (threat D1).  Tracebacks never show local variables.

A log that can't be written (its reader is gone, its disk is full) loses lines, and
never changes the fate of a call or a mail.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Protocol

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from postroom_server.telemetry.naming import add_delivery
from postroom_server.telemetry.redaction import Redaction


class LogLevel(IntEnum):
    """The least severity that is written; the numbers are those of `logging`."""

    DEBUG = logging.DEBUG
    INFO = logging.INFO
    WARNING = logging.WARNING
    ERROR = logging.ERROR


class LogFormat(Enum):
    """How an event is written; the words of the configuration."""

    JSON = "json"
    CONSOLE = "console"
    AUTO = "auto"
    """For people on a terminal, JSON elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """What is written, and how."""

    level: LogLevel = LogLevel.INFO
    format: LogFormat = LogFormat.AUTO
    mask_addresses: bool = False


class Lines(Protocol):
    """Where finished lines go: a text stream, or a `LogQueue`."""

    def write(self, line: str, /) -> object:
        """Write *line*, which ends with a line feed."""

    def flush(self) -> object:
        """See to it that it is written."""

    def isatty(self) -> bool:
        """Whether people read it."""


def set_up_logs(
    settings: LogSettings, stream: Lines | None = None, *, process: int | None = None
) -> None:
    """Send every event of this process to *stream*, or to the standard error.

    Each says which *process* of several it is of.  May be called again: the last call
    decides.
    """
    target = sys.stderr if stream is None else stream
    structlog.configure(
        processors=_chain(settings, target, process),
        wrapper_class=structlog.make_filtering_bound_logger(settings.level),
        logger_factory=_lines_to(target),
        cache_logger_on_first_use=False,
    )
    _hear_libraries(settings.level)
    threading.excepthook = _log_death


def keep_logs_as_set_up() -> None:
    """`set_up_logs` is not called any more: who logs need not look where to."""
    settings = {**structlog.get_config(), "cache_logger_on_first_use": True}
    structlog.configure(**settings)


def is_heard(log: WrappedLogger, level: int) -> bool:
    """Whether what *log* says at *level* is written.

    Beside a test double structlog may be the application's, whose loggers may have no
    word for it: then it is said, and they are the judge.
    """
    bound = log.bind()
    ask = getattr(type(bound), "is_enabled_for", None)
    return ask is None or bool(ask(bound, level))


class _Lines:
    """Writes each finished event as one line; what structlog calls a logger."""

    def __init__(self, stream: Lines, lock: threading.Lock, name: str) -> None:
        self._stream = stream
        self._lock = lock
        self.name = name

    def msg(self, line: str) -> None:
        # Whoever logs must not fail for it; a closed stream raises ValueError.
        with self._lock, suppress(OSError, ValueError):
            self._stream.write(line + "\n")
            self._stream.flush()

    debug = info = warning = error = critical = exception = msg


def _lines_to(stream: Lines) -> Callable[..., WrappedLogger]:
    lock = threading.Lock()
    return lambda name="", *_: _Lines(stream, lock, name)


def _chain(
    settings: LogSettings, stream: Lines, process: int | None
) -> list[Processor]:
    return [
        *(() if process is None else (_numbered(process),)),
        add_delivery,
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        Redaction(mask_addresses=settings.mask_addresses),
        _renderer(settings.format, stream),
    ]


def _numbered(process: int) -> Processor:
    def number(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event.setdefault("process", process)
        return event

    return number


def _renderer(wanted: LogFormat, stream: Lines) -> Processor:
    terminal = stream.isatty()
    if wanted is LogFormat.JSON or (wanted is LogFormat.AUTO and not terminal):
        return structlog.processors.JSONRenderer()
    return structlog.dev.ConsoleRenderer(
        colors=terminal, exception_formatter=structlog.dev.plain_traceback
    )


class _Forwarding(logging.Handler):
    """Hands the records of other libraries to our own log."""

    def emit(self, record: logging.LogRecord) -> None:
        # Levels of their own making count as the next lower one of ours.
        level = max(logging.DEBUG, min(record.levelno, logging.CRITICAL) // 10 * 10)
        try:
            structlog.get_logger(record.name).log(
                level, record.getMessage(), exc_info=record.exc_info
            )
        except Exception:  # noqa: BLE001  a bad record must not end what logs it
            self.handleError(record)


def _hear_libraries(level: LogLevel) -> None:
    heard = max(level, LogLevel.WARNING)
    logging.basicConfig(handlers=[_Forwarding()], level=heard, force=True)
    logging.captureWarnings(capture=True)


def _log_death(death: threading.ExceptHookArgs) -> None:
    """A thread ended with an exception that nobody caught."""
    if death.exc_type is SystemExit or death.exc_value is None:
        return
    structlog.get_logger(__name__).error(
        "thread.died",
        thread=death.thread.name if death.thread else "",
        exc_info=death.exc_value,
    )
