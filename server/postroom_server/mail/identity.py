"""What is fixed for a mail when it is accepted, so that each attempt sends the same."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from postroom_server.domain.clock import Instant
from postroom_server.domain.message import Identity, Message

_OCTETS = 16
"""128 bits: unique without a register, and not to be guessed."""


def new_identity(
    message: Message,
    now: Instant,
    message_id: str = "",
    random: Callable[[int], bytes] = secrets.token_bytes,
) -> Identity:
    """The identity of *message*, accepted *now*; an empty *message_id* is generated."""
    generated = f"<{random(_OCTETS).hex()}@{message.from_mailbox.address.domain}>"
    return Identity(
        message_id=message_id or generated,
        date_at=now,
        boundary=random(_OCTETS).hex(),
    )
