"""The keys for limits that relays and tenants have alike."""

from __future__ import annotations

from typing import Any

from postroom_server.config.keys import key
from postroom_server.domain.pacing import NO_LIMITS


def mails_per_second() -> Any:  # noqa: ANN401  as `key`
    """`max_per_second`."""
    return key(
        NO_LIMITS.max_per_second,
        "The most mails begun in a second, on the average; 0: no limit.",
        least=0,
        most=100_000,
    )


def mails_at_once() -> Any:  # noqa: ANN401  as `key`
    """`burst`."""
    return key(
        NO_LIMITS.burst,
        "How many of them may be begun at once; 0: what one second brings.",
        least=0,
        most=1_000_000,
    )


def recipients_per_day() -> Any:  # noqa: ANN401  as `key`
    """`max_recipients_per_day`."""
    return key(
        NO_LIMITS.max_recipients_per_day,
        "The most recipients of mails begun in a day (UTC); 0: no limit.",
        least=0,
        most=1_000_000_000,
    )
