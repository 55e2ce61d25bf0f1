"""What is fixed for a mail when it is accepted, so that each attempt sends the same."""

from __future__ import annotations

from collections.abc import Callable

from postroom_server.domain.clock import Instant
from postroom_server.domain.message import AnyMessage, Identity, Message
from postroom_server.domain.noise import unguessable

_OCTETS = 16
"""128 bits: unique without a register, and not to be guessed."""
_BEHIND_TIME = 10
"""80 bits are enough for that within a millisecond."""


def new_identity(
    message: AnyMessage,
    now: Instant,
    message_id: str = "",
    random: Callable[[int], bytes] = unguessable,
) -> Identity:
    """The identity of *message*, dated *now*; an empty *message_id* is generated."""
    if isinstance(message, Message) and not message_id:
        domain = message.from_mailbox.address.domain
        # Ids of one time beside each other: an index of them grows at its edge.
        millis = now // 1000
        message_id = f"<{millis:012x}{random(_BEHIND_TIME).hex()}@{domain}>"
    return Identity(
        message_id=message_id,
        date_at=now,
        boundary=random(_OCTETS).hex(),
    )
