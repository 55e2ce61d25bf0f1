"""The numbers of a service as tables, with their courses where these are known.

Tables have room on a terminal of 80 columns; one that is cut tells nothing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from postroom.cli.show import plain, table, when
from postroom.cli.sparkline import sparkline
from postroom.reports import Latency, QueueStats, RelayStats, Stats, WindowStats
from postroom.words import LatencyKind, StatsWindow

LENGTH = 20
"""How many values of a course are kept and shown."""


@dataclass(slots=True)
class Course:
    """What one window showed, time after time."""

    rates: deque[float | None] = field(default_factory=lambda: deque(maxlen=LENGTH))
    shares: deque[float | None] = field(default_factory=lambda: deque(maxlen=LENGTH))
    seconds: deque[float | None] = field(default_factory=lambda: deque(maxlen=LENGTH))

    def add(self, window: WindowStats) -> None:
        """Keep what *window* shows now."""
        sending = send_latency(window)
        self.rates.append(window.send_rate)
        self.shares.append(window.success_rate)
        self.seconds.append(sending.p90_seconds if sending else None)


Courses = dict[StatsWindow, Course]


def send_latency(window: WindowStats) -> Latency | None:
    """How long whole sends took; None where there were none, or nobody asked."""
    for latency in window.latencies:
        if latency.kind is LatencyKind.SEND and latency.count:
            return latency
    return None


def stats_tables(found: Stats, courses: Courses | None = None) -> RenderableType:
    """All of *found*; *courses* by window, if it is one reading of many."""
    parts: list[RenderableType] = [
        plain(f"instance {found.instance}, since {when(found.started_at)}"),
        windows_table(found.windows),
    ]
    if found.hold:
        told = f"ON HOLD since {when(found.hold.since)}: {found.hold.reason}"
        parts.insert(1, plain(told))
    if courses is not None:
        parts += ["", courses_table(courses)]
    if found.queue:
        parts.append(plain(queue_line(found.queue)))
    if found.relays:
        parts += ["", pools_table(found.relays)]
    return Group(*parts)


def windows_table(windows: tuple[WindowStats, ...]) -> Table:
    """A row for each window."""
    rows = table(
        *("WINDOW", "ACCEPTED", "SENT", "FAILED", "RETRIES", "RATE", "SUCCESS"),
        *("P50", "P90"),
    )
    for window in windows:
        if cells := _cells(window):
            rows.add_row(*cells)
    return rows


def courses_table(courses: Courses) -> Table:
    """A row for each window: what it showed, time after time."""
    rows = table("WINDOW")
    for heading in ("RATE", "SUCCESS", "P90"):
        rows.add_column(f"{heading} SO FAR", no_wrap=True, min_width=LENGTH)
    for window, course in courses.items():
        rows.add_row(window.value, *_lines(course))
    return rows


def pools_table(relays: tuple[RelayStats, ...]) -> Table:
    """A row for each relay: its queue, and its sessions."""
    rows = table(
        *("RELAY", "DUE", "RETRYING", "IDLE", "IN USE", "OPENING", "WAITING"),
        *("REUSED", "OPENED"),
    )
    for relay in relays:
        if pool := relay.pool:
            queue = relay.queue
            waits = (queue.due, queue.retrying) if queue else ("-", "-")
            sessions = (pool.idle, pool.in_use, pool.opening, pool.waiting)
            numbers = (*waits, *sessions, pool.reused, pool.created)
            rows.add_row(plain(relay.relay), *map(str, numbers))
    return rows


def queue_line(queue: QueueStats) -> str:
    """What waits, in words."""
    return (
        f"queue: {queue.due} due, {queue.scheduled} scheduled,"
        f" {queue.retrying} to be tried again,"
        f" {queue.sending} under way, oldest due for {queue.oldest_due_age:.0f} s"
    )


def summary(found: Stats) -> str:
    """The shortest window and the queue in one line."""
    parts = [when(found.taken_at)]
    if found.windows:
        window = found.windows[-1]
        sending = send_latency(window)
        parts += [
            window.window.value,
            f"rate {_rate(window.send_rate)}",
            f"success {share(window.success_rate)}",
            f"p90 {_duration(sending.p90_seconds if sending else None)}",
        ]
    if found.queue:
        queue = found.queue
        counts = f"due {queue.due}  scheduled {queue.scheduled}"
        counts += f"  retrying {queue.retrying}  sending {queue.sending}"
        parts.append(f"{counts}  oldest {queue.oldest_due_age:.0f} s")
    return "  ".join(parts)


def share(value: float | None) -> str:
    """A share in per cent."""
    return "-" if value is None else f"{value:.1%}"


def _cells(window: WindowStats) -> tuple[str, ...]:
    counted = window.counters
    if counted is None:
        return ()
    failed = counted.rejected + counted.failed + counted.temp_failed
    sending = send_latency(window)
    return (
        window.window.value,
        str(counted.accepted),
        str(counted.succeeded + counted.partial),
        str(failed + counted.expired),
        str(counted.retries),
        _rate(window.send_rate),
        share(window.success_rate),
        _duration(sending.p50_seconds if sending else None),
        _duration(sending.p90_seconds if sending else None),
    )


def _lines(course: Course) -> tuple[Text, Text, Text]:
    return (
        Text(sparkline(course.rates), style="green"),
        Text(sparkline(course.shares, top=1.0), style="green"),
        Text(sparkline(course.seconds), style="yellow"),
    )


def _rate(per_second: float) -> str:
    return f"{per_second:.1f}/s" if per_second < 100 else f"{per_second:.0f}/s"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.0f} ms" if seconds < 10 else f"{seconds:.0f} s"
