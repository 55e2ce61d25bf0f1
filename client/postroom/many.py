"""Many mails at once: what `send_many` is given, and what it gives back."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from postroom.arguments import SendArguments
from postroom.errors import PostroomError
from postroom.messages import RawMessage
from postroom.results import DeliveryResult

K = TypeVar("K")

Keyed: TypeAlias = tuple[K, SendArguments | RawMessage]
"""A mail, and the caller's own key for it: anything, such as a row or its number."""
Mails: TypeAlias = Iterable[Keyed[K]]
AsyncMails: TypeAlias = AsyncIterable[Keyed[K]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent(Generic[K]):
    """What became of the mail that its caller knows as *key*.

    Either *result*, or *error*: why nothing was sent.  That is what `Client.send` would
    have raised for it, an `OSError` for a file that can't be read.
    """

    key: K
    result: DeliveryResult | None = None
    error: PostroomError | OSError | None = None

    @property
    def ok(self) -> bool:
        """Whether it was delivered, or is on its way in the service's hands."""
        return self.result is not None and self.result.ok

    def outcome(self) -> DeliveryResult:
        """The result, or else raises the error."""
        if self.error is not None:
            raise self.error
        if self.result is None:
            raise ValueError("neither a result nor an error")
        return self.result
