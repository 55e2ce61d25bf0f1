"""A course of numbers as a line of bars, one character for each."""

from __future__ import annotations

from collections.abc import Iterable

BARS = "▁▂▃▄▅▆▇█"


def sparkline(values: Iterable[float | None], top: float | None = None) -> str:
    """*values* from 0 to *top*, or to the largest of them; a blank for None."""
    course = tuple(values)
    highest = top or max((value for value in course if value is not None), default=0)
    return "".join(_bar(value, highest) for value in course)


def _bar(value: float | None, top: float) -> str:
    if value is None:
        return " "
    if top <= 0 or value <= 0:
        return BARS[0]
    return BARS[min(len(BARS) - 1, int(value / top * len(BARS)))]
