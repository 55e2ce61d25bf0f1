"""The series of deliveries: those of `GetStats`, since the start of the process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from postroom_server.domain.counters import ENDED, Counters
from postroom_server.domain.distribution import Distribution
from postroom_server.domain.stats import LATENCY_BOUNDS, Latency, WindowStats
from postroom_server.telemetry.meter import Meter
from postroom_server.telemetry.series import Labels, Reading, counter, histogram

ENDINGS = counter("deliveries_ended", "Deliveries that ended.", "relay", "status")
VERDICTS = counter(
    "attempts_ended", "Attempts that ended.", "relay", "outcome", "reason"
)
RECIPIENTS = counter(
    "recipients", "Recipients: delivered or refused.", "relay", "outcome"
)
LATENCY = histogram(
    "latency_seconds", "How long a step took; SEND is all of it.", "relay", "step"
)
_PLAIN = {
    "accepted": counter("deliveries_accepted", "Mail that was accepted.", "relay"),
    "reopened": counter("deliveries_reopened", "Deliveries gone on with.", "relay"),
    "attempts": counter("attempts", "Attempts that began.", "relay"),
    "retries": counter("retries", "Attempts that were not the first.", "relay"),
    "temporary_failures": counter(
        "temporary_failures", "Attempts that failed for the time being.", "relay"
    ),
    "transactions_accepted": counter(
        "transactions_accepted", "Mail that the relay took.", "relay"
    ),
    "bytes_sent": counter("sent_bytes", "Octets of mail that were sent.", "relay"),
}
_STATUSES = {name: name.upper() for name in ENDED} | {"succeeded": "SUCCESS"}
_OUTCOMES = {
    "recipients_delivered": "delivered",
    "recipients_refused": "refused",
}


@dataclass(frozen=True, slots=True)
class DeliverySeries:
    """Reads what *meter* counted."""

    meter: Meter

    def __call__(self) -> Iterator[Reading]:
        totals = self.meter.totals()
        counted = {relay: window.counters for relay, window in totals.items()}
        for name, series in _PLAIN.items():
            values = {(relay,): getattr(c, name) for relay, c in counted.items()}
            yield Reading(series, values)
        yield Reading(ENDINGS, _by_name(counted, _STATUSES))
        yield Reading(RECIPIENTS, _by_name(counted, _OUTCOMES))
        yield Reading(VERDICTS, self._verdicts())
        yield Reading(LATENCY, _latencies(totals))

    def _verdicts(self) -> Mapping[Labels, int]:
        return {
            (relay, outcome.name, reason.name if reason else ""): count
            for (relay, outcome, reason), count in self.meter.verdicts().items()
        }


def _by_name(
    counted: Mapping[str, Counters], names: Mapping[str, str]
) -> Mapping[Labels, int]:
    return {
        (relay, label): getattr(counters, name)
        for relay, counters in counted.items()
        for name, label in names.items()
    }


def _latencies(totals: Mapping[str, WindowStats]) -> Mapping[Labels, Distribution]:
    return {
        (relay, latency.kind.name): _distribution(latency)
        for relay, window in totals.items()
        for latency in window.latencies
    }


def _distribution(latency: Latency) -> Distribution:
    counts, total = latency.bucket_counts, latency.sum_seconds
    return Distribution(LATENCY_BOUNDS, counts, total)
