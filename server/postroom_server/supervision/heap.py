"""One heap for all threads, which keeps what a large mail needs.

The C library gives each thread a heap of its own, which grows by a system call and a
fault for each page, and shrinks again when a large mail is gone.  Where one thread
computes at a time (`cores`) they may as well share one; and what one mail of a
megabyte needed is kept for the next.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress

from postroom_server.domain.limits import MB

KEPT = 16 * MB
"""Octets at the end of the heap that are kept although they are free."""
BY_ITSELF = 4 * MB
"""Octets from which on a piece is taken from the system, and given back, by itself."""

# The GNU C library's names for them (malloc.h).
_TRIM_THRESHOLD = -1
_MMAP_THRESHOLD = -3
_ARENA_MAX = -8


def share_heap() -> None:
    """Have all threads that are started from now on share this one's heap.

    Does nothing where the C library is another one.
    """
    with suppress(AttributeError, OSError, TypeError):
        set_option = ctypes.CDLL(None).mallopt
        set_option(_ARENA_MAX, 1)
        set_option(_TRIM_THRESHOLD, KEPT)
        set_option(_MMAP_THRESHOLD, BY_ITSELF)
