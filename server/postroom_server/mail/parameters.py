"""What part headers say about a file: its type, its name, where it is shown.

Names that any reader takes as they are stand in quotes.  All others go as RFC 2231 has
it, in Content-Disposition alone, and an ASCII name stands in Content-Type for readers
that know no better: a field that held both would be read differently by different
readers (threat A11).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import quote

from postroom_server.domain.draft import Disposition
from postroom_server.domain.message import Attachment
from postroom_server.mail.fields import Field, is_plain
from postroom_server.mail.words import FOLD

_SIMPLE_NAME = 60
_VALUE = 56
"""Characters of one parameter's value, so that its line stays within 78."""
_ATTRIBUTE_CHARACTERS = "!#$&+^`{}"  # RFC 2231 §7, beside letters, digits and "_.-~"
_NOT_IN_FALLBACK = re.compile(r"[^A-Za-z0-9._ ()+,@-]")
_LONG_TYPE = 60


def file_fields(attachment: Attachment, encoding: str) -> list[Field]:
    """The fields of the part that is *attachment*, in transfer encoding *encoding*."""
    simple = _is_simple(attachment.filename)
    name = attachment.filename if simple else _fallback(attachment.filename)
    fields = [
        ("Content-Type", f'{_media_type(attachment)};{FOLD}name="{name}"'),
        ("Content-Transfer-Encoding", encoding),
        ("Content-Disposition", _disposition(attachment, simple=simple)),
    ]
    if attachment.content_id:
        fields.append(("Content-ID", f"<{attachment.content_id}>"))
    return fields


def _media_type(attachment: Attachment) -> str:
    text = attachment.content_type
    return text if len(text) <= _LONG_TYPE else text.replace("; ", ";" + FOLD)


def _disposition(attachment: Attachment, *, simple: bool) -> str:
    inline = attachment.disposition is Disposition.INLINE
    kind = "inline" if inline else "attachment"
    name = attachment.filename
    parameters = [f'filename="{name}"'] if simple else list(_extended(name))
    return f";{FOLD}".join([kind, *parameters])


def _is_simple(name: str) -> bool:
    return (
        is_plain(name)
        and len(name) <= _SIMPLE_NAME
        and '"' not in name
        and "  " not in name
    )


def _extended(name: str) -> Iterator[str]:
    """The parameters of RFC 2231 §3 and §4 that hold *name*.

    A character is never split: some readers decode each piece by itself.
    """
    encoded = quote(name, safe=_ATTRIBUTE_CHARACTERS)
    if len(encoded) <= _VALUE:
        yield f"filename*=utf-8''{encoded}"
        return
    piece, number = "utf-8''", 0
    for character in name:
        octets = quote(character, safe=_ATTRIBUTE_CHARACTERS)
        if len(piece) + len(octets) > _VALUE:
            yield f"filename*{number}*={piece}"
            piece, number = "", number + 1
        piece += octets
    yield f"filename*{number}*={piece}"


def _fallback(name: str) -> str:
    """An ASCII name much like *name*; the end, where the extension is, is kept."""
    apart = unicodedata.normalize("NFKD", name)
    bare = "".join(c for c in apart if not unicodedata.combining(c))
    return _NOT_IN_FALLBACK.sub("_", bare)[-_SIMPLE_NAME:].strip() or "_"
