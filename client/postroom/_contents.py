"""Which contents of a mail travel within its request, and which follow in pieces.

A small mail is one request: that is the quickest, for the service too.  Of a larger
one all but the smallest contents become parts, so that its request stays small however
many they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from postroom._problems import Problems
from postroom._sources import Source, source_of, text_source
from postroom.messages import Content
from postroom.results import Blob

MAX_WITHIN = 1_048_576
"""Bytes of content that a request may hold; far below what services take."""
MAX_SMALL = 16_384
"""Bytes of a content that stays within a request which has parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a content goes: *within* the message *owner*, or as a *reference*."""

    owner: Any
    path: str
    within: str
    reference: str = "blob"

    @property
    def field(self) -> str:
        return f"{self.path}.{self.within}"

    def refer(self, name: str) -> None:
        """Have the content found by *name*."""
        setattr(self.owner, self.reference, name)


@dataclass(frozen=True, slots=True)
class Part:
    """A content that does not travel within the request, but by *name*."""

    name: str
    place: Place
    source: Source


class Contents:
    """The contents of one mail; leaving its ``with`` block ends the use of them."""

    def __init__(self) -> None:
        self.parts: tuple[Part, ...] = ()
        self._found: list[tuple[Place, Source]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *trouble: object) -> None:
        self.close()

    def close(self) -> None:
        """Give up what was opened for them."""
        for _, source in self._found:
            source.close()

    def add(self, place: Place, content: str | Content | Blob) -> None:
        """Have *content* go to *place*; a `str` is text.

        Raises `OSError` for a file that can't be read.
        """
        if isinstance(content, Blob):
            place.refer(content.name)
            return
        made = text_source(content) if isinstance(content, str) else source_of(content)
        self._found.append((place, made))

    def settle(self, problems: Problems) -> None:
        """Put the contents in their places, now that all of them are known."""
        total = sum(source.size for _, source in self._found)
        limit = total if total <= MAX_WITHIN else MAX_SMALL
        for place, source in self._found:
            if source.size <= limit:
                _put(place, source, problems)
            else:
                self._refer(place, source)

    def _refer(self, place: Place, source: Source) -> None:
        name = f"parts/{len(self.parts)}"
        place.refer(name)
        self.parts = (*self.parts, Part(name, place, source))


def _put(place: Place, source: Source, problems: Problems) -> None:
    try:
        setattr(place.owner, place.within, source.whole())
    except UnicodeDecodeError:
        problems.add(place.field, "is no UTF-8 text")
