"""What GetStats must tell after a gate, worked out from what callers were told.

The service counts while it works; here the same numbers are found afterwards, from
each delivery as ListDeliveries shows it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import fields

from postroom import AttemptOutcome, Client, DeliveryView, RecipientStatus, Stats
from postroom.reports import DeliveryCounters
from postroom.results import DeliveryResult

STATUSES = (
    *("succeeded", "partial", "rejected", "failed"),
    *("temp_failed", "uncertain", "expired", "cancelled"),
)
_OTHER_NAMES = {"SUCCESS": "succeeded"}


def expected_counters(results: Iterable[DeliveryResult]) -> dict[str, int]:
    """The counters of deliveries that ended as *results* and were never reopened."""
    counted: Counter[str] = Counter()
    for result in results:
        counted["accepted"] += 1
        if result.is_final:
            name = str(result.status)
            counted[_OTHER_NAMES.get(name, name.lower())] += 1
        _count_attempts(result, counted)
        _count_recipients(result, counted)
    return {f.name: counted[f.name] for f in fields(DeliveryCounters)}


def _count_attempts(result: DeliveryResult, counted: Counter[str]) -> None:
    made = len(result.attempts) + result.attempts_omitted
    counted["attempts"] += made
    counted["retries"] += max(0, made - 1)
    for attempt in result.attempts:
        if attempt.outcome is AttemptOutcome.TEMP_FAILED:
            counted["temporary_failures"] += 1
        if attempt.outcome is AttemptOutcome.ACCEPTED:
            counted["transactions_accepted"] += 1
            counted["bytes_sent"] += result.size_bytes


def _count_recipients(result: DeliveryResult, counted: Counter[str]) -> None:
    for recipient in result.recipients:
        if recipient.status is RecipientStatus.DELIVERED:
            counted["recipients_delivered"] += 1
        if recipient.status is RecipientStatus.REFUSED:
            counted["recipients_refused"] += 1


def told_counters(stats: Stats) -> Mapping[str, Mapping[str, int]]:
    """The counters of each window that reaches back to the first mail of a gate."""
    return {
        str(window.window): {
            f.name: getattr(window.counters, f.name) for f in fields(DeliveryCounters)
        }
        for window in stats.windows
        if str(window.window) in {"ALL", "SINCE_START"}
    }


def assert_stats_are_true(client: Client) -> None:
    """GetStats tells exactly what became of all deliveries; none may be under way."""
    everything = client.list(view=DeliveryView.FULL)
    expected = expected_counters(delivery.result for delivery in everything)
    told = told_counters(client.stats())

    assert told == {"ALL": expected, "SINCE_START": expected}
