"""What tags and pairs are in the table `label`: keys of one size, whatever they say.

A key is 16 octets of a hash; a tag is a pair without a name, which no pair is.  That
two labels have one key is as likely as two deliveries having one id.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b

from postroom_server.domain.labels import Pairs


def keys_of(tags: Iterable[str], pairs: Pairs) -> Iterator[bytes]:
    """The key of each of *tags* and *pairs*."""
    for name, value in (*(("", tag) for tag in tags), *pairs):
        # No name has a NUL, so that no two labels are one text.
        label = f"{name}\0{value}".encode()
        yield blake2b(label, digest_size=16).digest()
