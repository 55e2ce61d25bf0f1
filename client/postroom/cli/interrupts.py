"""Ctrl-C, wherever it comes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interruptible() -> Iterator[None]:
    """Have Ctrl-C raise `KeyboardInterrupt` also while gRPC waits.

    A condition that it meets right after the condition let go of its lock lets go once
    more, and what is raised is the `RuntimeError` of that.
    """
    try:
        yield
    except RuntimeError as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        raise
