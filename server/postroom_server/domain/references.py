"""Which blobs and streamed parts a draft names, where, and how large they may be.

A name is "blobs/{sha256 in hexadecimal}", or "parts/{key}" for octets that come with
the call.  The octets themselves are looked up by `delivery.contents`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from postroom_server.domain.draft import MessageDraft, RawDraft
from postroom_server.domain.limits import Limits

BLOBS = "blobs/"
PARTS = "parts/"
_NAME = re.compile(r"blobs/[0-9a-f]{64}|parts/[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True, slots=True)
class Reference:
    """One name in a draft: the field it stands in, and the most octets allowed."""

    field: str
    name: str
    most: int

    @property
    def is_well_formed(self) -> bool:
        return bool(_NAME.fullmatch(self.name))

    @property
    def is_part(self) -> bool:
        """Whether its octets come with the call."""
        return self.name.startswith(PARTS)


def references(draft: MessageDraft | RawDraft, limits: Limits) -> tuple[Reference, ...]:
    """All names in *draft*, in the order of the contract's fields."""
    if isinstance(draft, RawDraft):
        blob = draft.blob
        most = limits.max_message_bytes
        return () if blob is None else (Reference("raw_message.blob", blob, most),)
    return tuple(_in_parts(draft, limits))


def _in_parts(draft: MessageDraft, limits: Limits) -> Iterator[Reference]:
    for field, blob in (("text_blob", draft.text_blob), ("html_blob", draft.html_blob)):
        if blob is not None:
            yield Reference(f"message.{field}", blob, limits.max_body_bytes)
    files = draft.attachments[: limits.max_attachments]
    for place, file in enumerate(files):
        if file.blob is not None:
            field = f"message.attachments[{place}].blob"
            yield Reference(field, file.blob, limits.max_attachment_bytes)
