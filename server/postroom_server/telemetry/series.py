"""What a metric is, apart from how it is written down.

Packages that count declare their series and read them when somebody asks: counting
costs nothing for it.  Labels come from closed sets and from the configuration, never
from callers or mail, so that their number is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from postroom_server.domain.distribution import Distribution


class Kind(Enum):
    """How the values of a series behave."""

    COUNTER = "counter"
    """Only grows, from 0 at the start of the process."""
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Series:
    """One series; *name* is without the `_total` of a counter."""

    name: str
    kind: Kind
    meaning: str
    labels: tuple[str, ...] = ()

    @property
    def shown_name(self) -> str:
        """The name under which it is asked for."""
        return f"{self.name}_total" if self.kind is Kind.COUNTER else self.name


Labels = tuple[str, ...]
Value = float | Distribution
"""A `Distribution` for a histogram, a number for the others."""

Values = (
    Mapping[Labels, Value]
    | Mapping[tuple[()], Value]
    | Mapping[tuple[str], Value]
    | Mapping[tuple[str, str], Value]
)
"""By the values of a series' labels; a `Mapping`'s keys are of one very type."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The values of a series at one moment, by its labels' values."""

    series: Series
    values: Values


Source = Callable[[], Iterable[Reading]]
"""Reads some series now; from any thread, without waiting for those who count."""


def counter(name: str, meaning: str, *labels: str) -> Series:
    """A series that only grows."""
    return Series(f"postroom_{name}", Kind.COUNTER, meaning, labels)


def gauge(name: str, meaning: str, *labels: str) -> Series:
    """A series that goes up and down."""
    return Series(f"postroom_{name}", Kind.GAUGE, meaning, labels)


def histogram(name: str, meaning: str, *labels: str) -> Series:
    """A series of distributions."""
    return Series(f"postroom_{name}", Kind.HISTOGRAM, meaning, labels)


def single(series: Series, value: Value) -> Reading:
    """A reading of a series without labels."""
    return Reading(series, {(): value})
