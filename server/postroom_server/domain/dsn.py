"""Delivery status notifications asked of a relay (RFC 3461), and their rules."""

from __future__ import annotations

import re
from collections.abc import Iterator

from postroom_server.domain.errors import Problem
from postroom_server.domain.numbered import Numbered
from postroom_server.domain.values import value

MAX_ENVELOPE_ID = 100
"""Characters, before they are encoded (RFC 3461 §4.4)."""

_ENVELOPE_ID = re.compile(r"[ -~]{1,100}")
_TIMES_MOST = 3


class DsnNotify(Numbered):
    """When the relay shall notify."""

    UNSPECIFIED = 0
    NEVER = 1
    SUCCESS = 2
    FAILURE = 3
    DELAY = 4


class DsnReturn(Numbered):
    """How much of the mail a notification returns."""

    UNSPECIFIED = 0
    FULL = 1
    HEADERS = 2


@value(frozen=True, slots=True, kw_only=True)
class Dsn:
    """What is asked; what is left out is as the relay has it.

    *envelope_id* is text, not yet encoded; *required* fails the mail at a relay that
    knows nothing of all this.
    """

    notify: tuple[DsnNotify, ...] = ()
    return_content: DsnReturn = DsnReturn.UNSPECIFIED
    envelope_id: str = ""
    required: bool = False


def dsn_problems(dsn: Dsn | None) -> Iterator[Problem]:
    """What is wrong with *dsn*; nothing where none is asked for."""
    if dsn is None:
        return
    asked = dsn.notify[: _TIMES_MOST + 1]
    if len(dsn.notify) > _TIMES_MOST or len({*asked}) < len(asked):
        yield Problem("dsn.notify", "each may be there once")
    if DsnNotify.NEVER in asked and len(asked) > 1:
        yield Problem("dsn.notify", "NEVER stands alone")
    for place, time in enumerate(asked):
        if time is DsnNotify.UNSPECIFIED:
            yield Problem(f"dsn.notify[{place}]", "must not be UNSPECIFIED")
    if dsn.envelope_id and not _ENVELOPE_ID.fullmatch(dsn.envelope_id):
        text = f"must be 1 to {MAX_ENVELOPE_ID} printable ASCII characters"
        yield Problem("dsn.envelope_id", text)
