"""What a gate finds wrong in the end: the relay's record beside what callers can read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from postroom import AttemptOutcome, Client, Completion, DeliveryView, Status
from postroom.results import Delivery

from tests.gates.oracle import expected_counters, told_counters
from tests.gates.sink import Sink
from tests.support.process import PAUSE

KEPT = (Completion.ACCEPTED, Completion.RELAYED_OR_QUEUED)
FINISHES_WITHIN = 120.0


def wrong(target: str, sink: Sink, accepted: Collection[str]) -> list[str]:
    """What was lost or told wrong, when nothing is open any more.

    *accepted* are the subjects of what callers had an answer for.
    """
    with Client(target) as client:
        deliveries = finished(client)
        told = told_counters(client.stats())["ALL"]
    taken = sink.counted()
    by_marker = {d.subject: d for d in deliveries}
    found = [f"{m} was forgotten" for m in set(accepted) - by_marker.keys()]
    found += [f"{m} is unknown" for m in taken.keys() - by_marker.keys()]
    for marker, delivery in by_marker.items():
        found += [f"{marker} {w}" for w in mistakes(delivery, taken[marker])]
    if len(by_marker) != len(deliveries):
        found.append(f"{len(deliveries) - len(by_marker)} were accepted twice")
    expected = expected_counters(d.result for d in deliveries)
    if told != expected:
        found.append(f"GetStats tells {told}, not {expected}")
    return found


def mistakes(delivery: Delivery, taken: int) -> list[str]:
    """What is wrong with a delivery that the relay took *taken* times."""
    result = delivery.result
    doubts = count(delivery, AttemptOutcome.UNCERTAIN)
    found = []
    if result.status is Status.SUCCESS and not taken:
        found.append("is told delivered, and was lost")
    if taken and result.status is not Status.SUCCESS and not doubts:
        found.append(f"was taken, and is told {result.status}")
    if taken > 1 + doubts:
        found.append(f"came {taken} times, with {doubts} doubts")
    settled = result.status is Status.SUCCESS or doubts
    if delivery.completion in KEPT and not settled and not set_aside(delivery):
        found.append(f"was accepted, and is {result.status}")
    return found


def set_aside(delivery: Delivery) -> bool:
    """Whether the service died so often while it sent this mail that it gave up."""
    lost = count(delivery, AttemptOutcome.LOST)
    return delivery.result.status is Status.FAILED and lost >= 3


def count(delivery: Delivery, outcome: AttemptOutcome) -> int:
    return sum(a.outcome is outcome for a in delivery.result.attempts)


def doubles(taken: Counter[str]) -> int:
    return sum(times - 1 for times in taken.values())


def finished(client: Client) -> list[Delivery]:
    """All deliveries, when none of them is open."""
    for _ in range(int(FINISHES_WITHIN / 0.1)):
        queue = client.stats().queue
        if not (queue.due or queue.scheduled or queue.retrying or queue.sending):
            return list(client.list(view=DeliveryView.FULL))
        PAUSE.wait(0.1)
    raise AssertionError(f"never finished: {queue}")
