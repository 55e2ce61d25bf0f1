"""Header fields: text folded into lines, and blocks of fields that were read back.

Every block of headers, of the mail and of each part, is made by `block`, which reads
its own output again: exactly the names that were composed, every line within 998
octets, no line of white space alone, CR and LF only together, no NUL (RFC 5322 §2.1.1
and §2.2.3; threats A4 and A10).  What calls it was validated before; this is the net.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from postroom_server.domain.lines import has_long_lines
from postroom_server.mail.words import FOLD, encoded_words

Field = tuple[str, str]
"""A name and a body, which may be folded."""

LINE = 78
"""Characters of a line that nobody has to break (RFC 5322 §2.1.1)."""
_LONGEST_WORD = 900
"""What can't be folded and is longer is encoded: the line must fit with its name."""

_BLOCK = re.compile(
    rb"(?:[!-9;-~]++:[^\r\n\0]*+\r\n(?:[ \t]++[^ \t\r\n\0][^\r\n\0]*+\r\n)*+)*+"
)
# Of what `_BLOCK` matched: from field to field, without a look at each octet.
_NAMES = re.compile(rb"([!-9;-~]++):[^\r\n]*+\r\n(?:[ \t][^\r\n]*+\r\n)*+")


class MisshapenHeader(RuntimeError):
    """A header block does not read as it was meant: a bug, and nothing may leave."""


def block(fields: Sequence[Field]) -> bytes:
    """The lines of *fields*, checked; without the empty line that ends a header."""
    text = "".join([f"{name}: {body}\r\n" for name, body in fields])
    raw = text.encode()
    names = [name.encode() for name, _ in fields]
    if not _BLOCK.fullmatch(raw) or _NAMES.findall(raw) != names:
        raise MisshapenHeader("a header block does not read as it was composed")
    if has_long_lines(raw):
        raise MisshapenHeader("a line of a header is too long")
    return raw


def unstructured(name: str, value: str) -> str:
    """The body of field *name* that reads *value*, folded, encoded where it must be."""
    column = len(name) + 2
    if is_plain(value):
        if column + len(value) <= LINE:
            return value
        folded = _folded(value, column)
        if folded:
            return folded
    return encoded_words(value, column)


def is_plain(text: str) -> bool:
    """Whether *text* reads the same when it stands in a header as it is.

    Not where it looks like an encoded word, nor where it begins or ends with a space.
    """
    return (
        text.isascii()
        and text.isprintable()
        and "=?" not in text
        and text == text.strip(" ")
    )


def _folded(value: str, column: int) -> str:
    """*value* folded at its spaces; empty where that might change how it reads."""
    words = value.split(" ")
    if "" in words or max(map(len, words)) > _LONGEST_WORD:
        return ""
    lines = [[words[0]]]
    column += len(words[0])
    for word in words[1:]:
        if column + 1 + len(word) > LINE:
            lines.append([])
            column = 0
        lines[-1].append(word)
        column += 1 + len(word)
    return FOLD.join([" ".join(line) for line in lines])
