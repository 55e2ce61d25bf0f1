"""Which texts may stand in a header or be a body.

A header-bound text holds no CR, LF, NUL, other C0 control but TAB, DEL, U+0085,
U+2028, U+2029 (each of them ends a line somewhere) and no lone surrogate, which has
no UTF-8.  A body may hold anything but NUL (RFC 2045 §2.7) and lone surrogates.
"""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from collections.abc import Iterator

from postroom_server.domain.draft import MessageDraft
from postroom_server.domain.limits import MB, Limits
from postroom_server.domain.octets import (
    Contents,
    StoredOctets,
    StoredText,
    with_crlf,
)
from postroom_server.domain.validation_problems import Problems
from postroom_server.domain.values import value

_NOT_IN_HEADERS = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]"  # all but TAB
)
_SLICE = MB
"""Characters of a body that are encoded at once, to learn its size without a copy."""


def check_line(problems: Problems, field: str, text: str, limit: int) -> None:
    """Find what keeps *text* out of a header; *limit* counts characters."""
    if len(text) > limit:
        problems.add(field, f"{len(text):,} characters; at most {limit:,} are allowed.")
    elif not is_line(text):
        problems.add(field, "Line breaks and control characters are not allowed.")


def is_line(text: str) -> bool:
    """Whether *text* may stand in a header as far as its characters go."""
    # The first two ask C code about the most frequent case.
    plain = text.isascii() and text.isprintable()
    return plain or not _NOT_IN_HEADERS.search(text)


def check_subject(problems: Problems, subject: str, limits: Limits) -> None:
    """Find what is wrong with the Subject header's text."""
    if not subject:
        problems.add("message.subject", "A subject is required.")
    check_line(problems, "message.subject", subject, limits.max_subject_length)


@value(frozen=True, slots=True)
class Bodies:
    """The text and the HTML of a mail, as they were found; None: there is none."""

    text: str | StoredText | None
    html: str | StoredText | None


def check_bodies(
    problems: Problems, draft: MessageDraft, contents: Contents, limits: Limits
) -> Bodies:
    """The bodies of *draft*; what is wrong with them is recorded."""
    if not has_text(draft, contents) and not has_html(draft, contents):
        problems.add(
            "message.text_body",
            "One of text_body and html_body must be set, and not be empty.",
        )
    looking = _Bodies(problems, contents, limits)
    return Bodies(
        looking.body("message.text", draft.text, draft.text_blob),
        looking.body("message.html", draft.html, draft.html_blob),
    )


def has_text(draft: MessageDraft, contents: Contents) -> bool:
    """Whether there is a text that is not empty."""
    return bool(_size(draft.text, draft.text_blob, contents))


def has_html(draft: MessageDraft, contents: Contents) -> bool:
    """Whether there is HTML that is not empty."""
    return bool(_size(draft.html, draft.html_blob, contents))


def _size(text: str | None, blob: str | None, contents: Contents) -> int:
    return contents[blob].size if blob is not None else len(text or "")


@value(frozen=True, slots=True)
class _Bodies:
    problems: Problems
    contents: Contents
    limits: Limits

    def body(
        self, field: str, text: str | None, blob: str | None
    ) -> str | StoredText | None:
        """The body given as *text* or as *blob*."""
        if blob is not None:
            octets = self.contents[blob]
            return _check_stored(self.problems, f"{field}_blob", octets, self.limits)
        _check_body(self.problems, f"{field}_body", text or "", self.limits)
        # Of two bodies an empty one says nothing; shown, it would hide the other.
        return text or None


def _check_stored(
    problems: Problems, field: str, octets: StoredOctets, limits: Limits
) -> StoredText | None:
    """*octets* as a body, read once from end to end."""
    if octets.size > limits.max_body_bytes:
        problems.add(field, f"Larger than {limits.max_body_bytes / MB:g} MB as UTF-8.")
        return None
    decoder = getincrementaldecoder("utf-8")()
    wire_size = 0
    try:
        for lines in with_crlf(octets.blocks()):
            wire_size += len(lines)
            if b"\0" in lines:
                problems.add(field, "NUL characters are not allowed.")
                return None
            decoder.decode(lines)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        problems.add(field, "It is no UTF-8.")
        return None
    return StoredText(octets, wire_size) if wire_size else None


def _check_body(problems: Problems, field: str, body: str, limits: Limits) -> None:
    if "\0" in body:
        problems.add(field, "NUL characters are not allowed.")
    limit = limits.max_body_bytes
    try:
        too_large = len(body) > limit or _octets(body) > limit
    except UnicodeEncodeError:
        problems.add(field, "Lone surrogates are not allowed.")
        return
    if too_large:
        problems.add(field, f"Larger than {limit / MB:g} MB as UTF-8.")


def _octets(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(len(part.encode()) for part in _slices(text))


def _slices(text: str) -> Iterator[str]:
    return (text[i : i + _SLICE] for i in range(0, len(text), _SLICE))
