"""The keys of ``[tenants.ID]``."""

from __future__ import annotations

from postroom_server.config.keys import Table, key
from postroom_server.config.limit_keys import (
    mails_at_once,
    mails_per_second,
    recipients_per_day,
)
from postroom_server.domain.pacing import NO_LIMITS


class TenantTable(Table):
    """What one tenant may do, over all relays together."""

    max_per_second: float = mails_per_second()
    burst: int = mails_at_once()
    max_recipients_per_day: int = recipients_per_day()
    concurrent_sessions: int = key(
        NO_LIMITS.concurrent_sessions,
        "The most mails under way at once, over all processes that share the store; "
        "0: as many as the relays take.",
        least=0,
        most=10_000,
    )
