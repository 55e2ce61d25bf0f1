"""Whether a request holds more fields than any real one, told before it is parsed.

Two octets make an empty entry of a list; parsed it costs a hundred, and as many again
in each step that looks at it, so that ten megabytes of such entries would take a
gigabyte and half a minute.  A text or a file is one field, however long: where a mail
is real there are few fields.

Only the number is judged here: what is no protobuf is for the parser to refuse.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from postroom_server.domain.errors import (
    InvalidArgument,
    InvalidMessage,
    InvalidRequestError,
    Problem,
    UnknownField,
)

FIELDS_MOST: Final = 50_000
"""More than the largest limits that can be configured allow: a thousand recipients,
headers and attachments, of a handful of fields each."""

_LONGEST_VARINT = 10
_LENGTH_DELIMITED: Final = 2
_FIXED = {1: 8, 5: 4}
"""The octets of a value, by wire type."""
_IN_THE_MAIL = "message."


def refuse_flood(raw: bytes, kind: Descriptor) -> None:
    """Raise `InvalidRequestError` if *raw* has too many fields for any *kind*."""
    # No field has less than one octet.
    if len(raw) <= FIELDS_MOST:
        return
    count = _Count(raw)
    try:
        count.walk(kind)
    except IndexError:
        # It ends within a field.
        return
    if count.fields > FIELDS_MOST:
        raise count.refusal()


class _Count:
    """Walks over the fields of one request, and into those that are messages."""

    def __init__(self, raw: bytes) -> None:
        self.fields = 0
        self._raw = raw
        self._at = 0
        self._inside: list[tuple[int, int, Descriptor, str]] = []
        self._seen: Counter[tuple[str, Descriptor, int]] = Counter()

    def walk(self, kind: Descriptor) -> None:
        """Count, and stop as soon as there are too many."""
        self._inside.append((0, len(self._raw), kind, ""))
        while self._inside:
            self._at, end, kind, path = self._inside.pop()
            while self._at < end:
                self._skip(kind, path)
                if self.fields > FIELDS_MOST:
                    return

    def refusal(self) -> InvalidRequestError:
        """Names the field that there is most of."""
        (path, kind, number), _ = self._seen.most_common(1)[0]
        field = kind.fields_by_number.get(number)
        if field is None:
            text = f"unknown field number {number}"
            return UnknownField([Problem(f"{path}{number}", text)])
        text = f"the request has over {FIELDS_MOST:,} fields, most of them here"
        problem = Problem(f"{path}{field.name}", text)
        if path.startswith(_IN_THE_MAIL):
            return InvalidMessage([problem])
        return InvalidArgument([problem])

    def _skip(self, kind: Descriptor, path: str) -> None:
        """Go on to the next field, and note what is to be looked into."""
        tag = self._varint()
        number, wire_type = tag >> 3, tag & 7
        self.fields += 1
        self._seen[path, kind, number] += 1
        if wire_type == 0:
            self._varint()
        elif wire_type == _LENGTH_DELIMITED:
            size = self._varint()
            field = _looked_into(kind).get(number)
            if field is not None:
                self._look_into(kind, field, size, path)
            self._at += size
        else:
            # Groups have nothing to skip: what is inside counts.
            self._at += _FIXED.get(wire_type, 0)

    def _look_into(
        self, kind: Descriptor, field: FieldDescriptor, size: int, path: str
    ) -> None:
        below = field.message_type
        if below is None:
            # Packed: each value has an octet at least.
            self.fields += size
            self._seen[path, kind, field.number] += size
        else:
            inside = (self._at, self._at + size, below, f"{path}{field.name}.")
            self._inside.append(inside)

    def _varint(self) -> int:
        value = 0
        for place in range(_LONGEST_VARINT):
            octet = self._raw[self._at]
            self._at += 1
            value |= (octet & 0x7F) << 7 * place
            if octet < 0x80:
                return value
        raise IndexError("a number without end")


@cache
def _looked_into(kind: Descriptor) -> dict[int, FieldDescriptor]:
    """The fields that are messages or packed values, by number."""
    return {
        field.number: field
        for field in kind.fields
        if field.message_type is not None or field.is_packed
    }
