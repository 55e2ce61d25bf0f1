"""The series as Prometheus reads them: its text format, or OpenMetrics.

Everything is read when somebody asks.  One reading is made at a time and serves all
who ask within `FRESH` seconds, so that however many ask, it costs the service the same.
A source that fails leaves out its own series and no others.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate

import structlog
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from postroom_server.domain.distribution import Distribution
from postroom_server.telemetry.series import Kind, Reading, Source, counter, single

FRESH = 1.0
"""Seconds for which a reading serves whoever asks."""

FAILURES = counter(
    "metrics_failures", "Times that a part of the series could not be read."
)

_log = structlog.get_logger(__name__)


class Exposition:
    """Makes the page that Prometheus reads; safe for threads."""

    def __init__(
        self, sources: Sequence[Source], monotonic: Callable[[], float]
    ) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Series(sources))
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._pages: dict[str, tuple[float, bytes]] = {}

    def page(self, accept: str) -> tuple[str, bytes]:
        """The content type that fits the header *accept*, and the page."""
        encode, content_type = choose_encoder(accept)
        with self._lock:
            made_at, page = self._pages.get(content_type, (0.0, b""))
            if not page or self._monotonic() - made_at >= FRESH:
                page = encode(self._registry)
                # One page for each format that there is.
                self._pages = {content_type: (self._monotonic(), page)}
        return content_type, page


class _Series(Collector):
    """All sources, in the form that the library wants."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        self._failures = 0

    def collect(self) -> Iterable[Metric]:
        for source in self._sources:
            yield from map(_family, self._read(source))
        yield _family(single(FAILURES, self._failures))

    def _read(self, source: Source) -> Sequence[Reading]:
        try:
            return tuple(source())
        except Exception:  # noqa: BLE001  the other series are wanted all the more
            self._failures += 1
            _log.exception("metrics.source_failed")
            return ()


def _family(reading: Reading) -> Metric:
    series = reading.series
    if series.kind is Kind.HISTOGRAM:
        return _histogram(reading)
    plain = CounterMetricFamily if series.kind is Kind.COUNTER else GaugeMetricFamily
    family = plain(series.name, series.meaning, labels=series.labels)
    for labels, value in reading.values.items():
        if not isinstance(value, Distribution):
            family.add_metric(labels, value)
    return family


def _histogram(reading: Reading) -> Metric:
    series = reading.series
    family = HistogramMetricFamily(series.name, series.meaning, labels=series.labels)
    for labels, value in reading.values.items():
        if isinstance(value, Distribution):
            family.add_metric(labels, list(_buckets(value)), value.total)
    return family


def _buckets(value: Distribution) -> Iterator[tuple[str, float]]:
    """Each bound with the count of all that does not exceed it."""
    bounds = (*map(str, value.bounds), "+Inf")
    return zip(bounds, map(float, accumulate(value.bucket_counts)), strict=True)
