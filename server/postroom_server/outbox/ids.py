"""Ids that sort by the time they were made at: UUID version 7 (RFC 9562 §5.7).

An id is 32 hex digits without hyphens: 48 bits of milliseconds since 1970, the
version, and 74 random bits.  What is made later sorts later, so that new rows are
added at the right edge of every index.
"""

from __future__ import annotations

from collections.abc import Callable

from postroom_server.domain.clock import Instant
from postroom_server.domain.noise import unguessable

_VERSION_7 = 0x7000
_VARIANT = 0x8000_0000_0000_0000


def new_id(now: Instant, random: Callable[[int], bytes] = unguessable) -> str:
    """A fresh id for what is made *now*; *random* gives that many random bytes."""
    noise = int.from_bytes(random(10))
    millis = (now // 1000) & 0xFFFF_FFFF_FFFF
    upper = millis << 16 | _VERSION_7 | noise >> 68
    lower = _VARIANT | noise & 0x3FFF_FFFF_FFFF_FFFF
    return f"{upper:016x}{lower:016x}"
