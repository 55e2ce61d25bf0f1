r"""Content made transparent for DATA (RFC 5321 §4.5.2).

Content is a run of chunks with CRLF lines.  A dot that starts a line is doubled, also
where the line break lies in the chunk before.  A chunk in which nothing is doubled is
passed on as it is: base64 has no dots and costs a fraction of a millisecond per MB.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

FINAL_DOT = b".\r\n"


def stuffed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """*chunks* with leading dots doubled, and CRLF and the final dot after them."""
    ending = b"\r\n"
    for chunk in chunks:
        if not chunk:
            continue
        if chunk[0] == _DOT and ending.endswith(b"\n"):
            yield b"."
        # One octet is searched for many times faster than two.
        has_dots = b"." in chunk and b"\n." in chunk
        yield chunk.replace(b"\n.", b"\n..") if has_dots else chunk
        ending = (ending + chunk[-2:])[-2:]
    yield FINAL_DOT if ending == b"\r\n" else b"\r\n" + FINAL_DOT


_DOT = ord(".")
