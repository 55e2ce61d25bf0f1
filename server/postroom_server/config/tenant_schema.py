"""The keys of ``[tenants.ID]``."""

from __future__ import annotations

from postroom_server.config.keys import Table, key
from postroom_server.domain.pacing import NO_LIMITS


class TenantTable(Table):
    """What one tenant may do, over all relays together."""

    max_per_second: float = key(
        NO_LIMITS.max_per_second,
        "The most mails begun in a second, on the average; 0: no limit.",
        least=0,
        most=100_000,
    )
    burst: int = key(
        NO_LIMITS.burst,
        "How many of them may be begun at once; 0: what one second brings.",
        least=0,
        most=1_000_000,
    )
    max_recipients_per_day: int = key(
        NO_LIMITS.max_recipients_per_day,
        "The most recipients of mails begun in a day (UTC); 0: no limit.",
        least=0,
        most=1_000_000_000,
    )
    concurrent_sessions: int = key(
        NO_LIMITS.concurrent_sessions,
        "The most mails under way at once, over all processes that share the store; "
        "0: as many as the relays take.",
        least=0,
        most=10_000,
    )
