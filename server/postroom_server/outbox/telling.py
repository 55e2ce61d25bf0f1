"""The log, as far as the one thread that writes may depend on it: not at all.

A log that is written to the disk that just filled up fails too, and must not take the
committer with it.
"""

from __future__ import annotations

import contextlib

import structlog

_log = structlog.get_logger(__name__)


def tell(level: str, event: str, **fields: object) -> None:
    """Log *event*, or don't, and raise nothing."""
    with contextlib.suppress(Exception):
        getattr(_log, level)(event, **fields)
