"""The type checker keeps values from being changed; nothing else does."""

from __future__ import annotations

from postroom_server.domain.values import value


@value(frozen=True, slots=True)
class Parcel:
    weight: int


# Were this allowed, the comment would be one too many, which strict mypy tells.
Parcel(1).weight = 2  # type: ignore[misc]
