"""What callers give: mailboxes, contents, attachments, whole mails and policies."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Protocol, Self, runtime_checkable

from postroom.results import Blob
from postroom.words import DsnNotify, DsnReturn

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


@runtime_checkable
class Reader(Protocol):
    """A file open in binary mode, or whatever else gives bytes.

    One that can be moved (`seek`) is read where it is, from where it stands; another
    is copied to a temporary file first, since a call may have to be repeated.
    """

    def read(self, size: int = -1, /) -> bytes:
        """At most *size* bytes; none at the end."""


class Writer(Protocol):
    """A file open for writing, in binary mode."""

    def write(self, octets: bytes, /) -> object:
        """Write all of *octets*."""


Content = bytes | bytearray | memoryview | os.PathLike[str] | Reader
"""Bytes, the path of a file, or a file.  Files are read when the mail is sent, piece
by piece, and again if it has to be sent again; nobody else may change them."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that travels with the mail.

    One that is *inline* is shown where the HTML says "cid:" and its *content_id*,
    instead of being offered as a file.
    """

    filename: str
    content_type: str
    data: Content | Blob = field(repr=False)
    inline: bool = False
    content_id: str = ""

    @classmethod
    def from_path(
        cls,
        path: str | os.PathLike[str],
        content_type: str | None = None,
        *,
        inline: bool = False,
        content_id: str = "",
    ) -> Self:
        """The file at *path*, its type guessed from its name unless given.

        It is read when it is sent.  Raises `OSError` when it can't be opened.
        """
        file = Path(path)
        with file.open("rb"):
            kind = content_type or guessed_type(file.name)
        return cls(file.name, kind, file, inline, content_id)

    @classmethod
    def from_blob(
        cls,
        blob: Blob | str,
        filename: str,
        content_type: str | None = None,
        *,
        inline: bool = False,
        content_id: str = "",
    ) -> Self:
        """What was uploaded as *blob*, by the name *filename*.

        Its type is guessed from that name unless given.
        """
        uploaded = blob if isinstance(blob, Blob) else Blob(name=blob)
        kind = content_type or guessed_type(filename)
        return cls(filename, kind, uploaded, inline, content_id)


@dataclass(frozen=True, slots=True)
class RawMessage:
    """A mail that the caller composed, RFC 5322 with lines that end in CRLF.

    The service checks it and sends it as it is.  The envelope is not read from it.
    """

    data: Content | Blob = field(repr=False)
    envelope_from: str
    recipients: Sequence[str]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Dsn:
    """Delivery status notifications to ask the relay for (RFC 3461).

    What is left out is as the relay has it, and *envelope_id* the delivery's id.  Where
    the relay knows nothing of them the mail goes without, or fails if *required*.
    """

    notify: DsnNotify | str | Sequence[DsnNotify | str] = ()
    return_content: DsnReturn | str = DsnReturn.UNSPECIFIED
    envelope_id: str = ""
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsubscribe:
    """How recipients may unsubscribe: the headers of RFC 2369 and RFC 8058.

    *url* is an https URI, *mailto* an address; at least one of them.  *one_click* lets
    mail programs unsubscribe by a POST to *url*.
    """

    url: str = ""
    mailto: str = ""
    one_click: bool = False


Seconds = float | timedelta
AddressLike = str | Mailbox
Addresses = AddressLike | Iterable[AddressLike]
AttachmentLike = Attachment | str | os.PathLike[str]
Text = str | Content | Blob
"""Text itself, or where it is, in UTF-8."""
Progress = Callable[[int, int], object]
"""Told how many bytes of how many have left."""
Headers = Mapping[str, str] | Iterable[tuple[str, str]]
