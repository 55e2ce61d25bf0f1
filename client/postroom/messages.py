"""What callers give: mailboxes, attachments and policies."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Self

UNKNOWN_TYPE = "application/octet-stream"
# What a file is when it is also compressed: its own type would be a lie.
_COMPRESSED = {
    "gzip": "application/gzip",
    "bzip2": "application/x-bzip2",
    "xz": "application/x-xz",
    "compress": "application/x-compress",
    "br": UNKNOWN_TYPE,
}


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An address, and the name that is shown beside it."""

    address: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that travels with the mail.

    One that is *inline* is shown where the HTML says "cid:" and its *content_id*,
    instead of being offered as a file.
    """

    filename: str
    content_type: str
    data: bytes = field(repr=False)
    inline: bool = False
    content_id: str = ""

    @classmethod
    def from_path(
        cls, path: str | os.PathLike[str], content_type: str | None = None
    ) -> Self:
        """The file at *path*, its type guessed from its name unless given.

        Raises `OSError` when it can't be read.
        """
        file = Path(path)
        return cls(
            file.name, content_type or guessed_type(file.name), file.read_bytes()
        )


def guessed_type(filename: str) -> str:
    """The media type that *filename* suggests."""
    guess, compression = mimetypes.guess_type(filename)
    if compression:
        return _COMPRESSED.get(compression, UNKNOWN_TYPE)
    return guess or UNKNOWN_TYPE


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How the service retries; a field left at its default takes the relay's setting.

    *quick_delays* are waited while the caller waits; the long schedule goes from
    *min_delay* to *max_delay*, in seconds or as `timedelta`.
    """

    disabled: bool = False
    quick_delays: Sequence[Seconds] = ()
    min_delay: Seconds | None = None
    max_delay: Seconds | None = None
    max_attempts: int = 0


Seconds = float | timedelta
AddressLike = str | Mailbox
Addresses = AddressLike | Iterable[AddressLike]
AttachmentLike = Attachment | str | os.PathLike[str]
Headers = Mapping[str, str] | Iterable[tuple[str, str]]
