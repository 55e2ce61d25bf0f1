"""A mail as a value, for those who prepare it in one place and send it in another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import cast

from postroom.arguments import SendArguments
from postroom.messages import (
    Addresses,
    AddressLike,
    AttachmentLike,
    Headers,
    Text,
    Unsubscribe,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """The parts of a mail; they mean what they do in `SendArguments`."""

    to: Addresses = ()
    cc: Addresses = ()
    bcc: Addresses = ()
    subject: str = ""
    text: Text | None = None
    html: Text | None = None
    from_: AddressLike | None = None
    sender: AddressLike | None = None
    reply_to: Addresses = ()
    attachments: Sequence[AttachmentLike] = ()
    headers: Headers = ()
    message_id: str = ""
    envelope_from: str = ""
    unsubscribe: Unsubscribe | None = None

    def arguments(self) -> SendArguments:
        """What was given, as the arguments of `Client.send`."""
        parts = {part.name: getattr(self, part.name) for part in fields(self)}
        given = {
            name: part for name, part in parts.items() if part not in ("", (), None)
        }
        return cast(SendArguments, given)
