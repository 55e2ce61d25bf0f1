"""A caller's own labels of a mail: tags and pairs, for lists and never in the mail.

Pairs are kept in the order of their names: which order a map had on the wire means
nothing.  The limits are the contract's (`postroom.v1.SendMessageRequest`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from postroom_server.domain.errors import Problem

Pair = tuple[str, str]
"""A name and a value."""
Pairs = tuple[Pair, ...]

MAX_PAIRS = 20
MAX_TAGS = 10
MAX_VALUE = 256
"""Characters of a pair's value, which may be any text."""

_NAME = re.compile(r"[a-z0-9_.-]{1,64}")
_TAG = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_TAG_FORM = "must be 1 to 64 of the characters A-Z, a-z, 0-9, _ . -"
NAME_FORM = "a name must be 1 to 64 of the characters a-z, 0-9, _ . -"


def pair_problems(path: str, pairs: Pairs, most: int = MAX_PAIRS) -> Iterator[Problem]:
    """What is wrong with *pairs*, the field *path*, of which there may be *most*."""
    if len(pairs) > most:
        yield Problem(path, f"{len(pairs):,} pairs; at most {most} are allowed")
    for name, value in pairs[:most]:
        # A name that is none is not repeated: it may be anything.
        if not _NAME.fullmatch(name):
            yield Problem(path, NAME_FORM)
        elif len(value) > MAX_VALUE:
            text = f"{len(value):,} characters; at most {MAX_VALUE} are allowed"
            yield Problem(f"{path}[{name}]", text)


def tag_problems(path: str, tags: tuple[str, ...]) -> Iterator[Problem]:
    """What is wrong with *tags*, the field *path*."""
    if len(tags) > MAX_TAGS:
        yield Problem(path, f"{len(tags):,} tags; at most {MAX_TAGS} are allowed")
    seen: set[str] = set()
    for place, tag in enumerate(tags[:MAX_TAGS]):
        yield from one_tag_problems(f"{path}[{place}]", tag)
        if tag in seen:
            yield Problem(f"{path}[{place}]", "is there twice")
        seen.add(tag)


def one_tag_problems(path: str, tag: str) -> Iterator[Problem]:
    """What is wrong with *tag*, the field *path*."""
    if not _TAG.fullmatch(tag):
        yield Problem(path, _TAG_FORM)
