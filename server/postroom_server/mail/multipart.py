"""Parts within parts, and the boundaries between them (RFC 2046 §5.1, RFC 2387).

A boundary begins with "=_", which neither base64 nor quoted-printable can hold, and
its root is unguessable; where a part that stands as it is holds the root none the
less, another is derived.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

Entity = list[bytes]
"""A part in pieces: its header, an empty line, its body."""


def free_root(root: str, verbatim: Iterable[bytes]) -> str:
    """*root*, or one derived from it, that no part in *verbatim* contains."""
    bodies = tuple(verbatim)
    while any(root.encode() in body for body in bodies):
        root = hashlib.sha256(root.encode()).hexdigest()[:32]
    return root


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
        joined = [head.encode()]
        delimiter = f"\r\n--{boundary}\r\n".encode()
        for part in parts:
            joined.append(delimiter)
            joined.extend(part)
        joined.append(f"\r\n--{boundary}--".encode())
        return joined
