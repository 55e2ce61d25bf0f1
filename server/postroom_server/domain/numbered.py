"""Closed sets whose members are the numbers that the contract gives them."""

from __future__ import annotations

from enum import IntEnum


class Numbered(IntEnum):
    """An `IntEnum` that is hashed as the number it is.

    `Enum` hashes names, by a function in Python, and each mail asks dozens of times.
    """

    __hash__ = int.__hash__
