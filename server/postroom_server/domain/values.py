"""Values: frozen dataclasses whose freezing costs nothing while we run.

A frozen dataclass sets each of its fields by a call (`object.__setattr__`), some sixty
times as dear as an assignment; a mail makes eighty values with 650 fields between them.
So the type checker alone keeps values from being changed, and it sees all code.  In
all else they are the same: compared and hashed by their fields.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["value"]

if TYPE_CHECKING:
    from dataclasses import dataclass as value
else:
    from dataclasses import dataclass

    def value(*, frozen: bool, **options: bool) -> object:
        """`dataclasses.dataclass` with *options*, for a class that is *frozen*."""
        return dataclass(unsafe_hash=frozen, **options)
