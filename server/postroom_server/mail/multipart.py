"""Parts within parts, and the boundaries between them (RFC 2046 §5.1, RFC 2387).

A boundary begins with "=_", which neither base64 nor quoted-printable can hold, and
its root is unguessable; where a part that stands as it is holds the root none the
less, another is derived.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from postroom_server.mail.pieces import Blocks, Piece

Entity = list[Piece]
"""A part in pieces: its header, an empty line, its body."""


def free_root(root: str, verbatim: Iterable[Piece]) -> str:
    """*root*, or one derived from it, that no part in *verbatim* contains."""
    bodies = tuple(verbatim)
    sought = root.encode()
    while any(_holds(body, sought) for body in bodies):
        sought = hashlib.sha256(sought).hexdigest()[:32].encode()
    return sought.decode()


def _holds(body: Piece, sought: bytes) -> bool:
    if not isinstance(body, Blocks):
        return sought in body
    tail = b""
    for block in body:
        if sought in tail + block[: len(sought)] or sought in block:
            return True
        tail = (tail + block)[1 - len(sought) :]
    return False


class Multiparts:
    """Puts parts together, each time with a boundary of its own."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._made = 0

    def join(self, kind: str, parts: Sequence[Entity]) -> Entity:
        """One entity of the *parts*; *kind* is the subtype with its parameters."""
        self._made += 1
        boundary = f"=_{self._root}_{self._made}"
        head = f'Content-Type: multipart/{kind};\r\n boundary="{boundary}"\r\n'
        joined: Entity = [head.encode()]
        delimiter = f"\r\n--{boundary}\r\n".encode()
        for part in parts:
            joined.append(delimiter)
            joined.extend(part)
        joined.append(f"\r\n--{boundary}--".encode())
        return joined
