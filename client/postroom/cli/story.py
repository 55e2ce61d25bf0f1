"""The story of one mail: accepted, each attempt and what came of it, and the end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from rich.console import Console
from rich.text import Text

from postroom.cli.show import plain, when, why, word
from postroom.results import Attempt, Delivery, DeliveryResult, RecipientResult
from postroom.words import AttemptOutcome, Phase

INDENT = " " * 4

_MEANINGS = {
    AttemptOutcome.ACCEPTED: "the relay took it",
    AttemptOutcome.TEMP_FAILED: "put off",
    AttemptOutcome.FAILED: "refused for good",
    AttemptOutcome.UNCERTAIN: "the link broke when all was sent: it may have arrived",
    AttemptOutcome.ABANDONED: "broken off before it was sent",
    AttemptOutcome.LOST: "the service died before it was sent",
    AttemptOutcome.RUNNING: "under way",
}


def show_story(out: Console, delivery: Delivery) -> None:
    """Tell *delivery* from its acceptance to its end, or to what comes next."""
    result = delivery.result
    out.print(f"{when(result.accepted_at)}  accepted, to go to", plain(delivery.relay))
    for place, attempt in enumerate(result.attempts):
        if place == 1 and result.attempts_omitted:
            out.print(f"... {result.attempts_omitted} attempts left out")
        _show_attempt(out, attempt)
        for recipient in _settled_by(result, place):
            address = plain(f"{INDENT}{recipient.address}")
            out.print(address, word(recipient.status), why(recipient))
        following = result.attempts[place + 1 : place + 2]
        pause = _pause(attempt, following[0] if following else None)
        if pause and not (place == 0 and result.attempts_omitted):
            out.print(f"{INDENT}tried again after {pause}")
    _show_end(out, result)


def span(seconds: float) -> str:
    """A length of time in the two units that matter."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"


def _show_attempt(out: Console, attempt: Attempt) -> None:
    heading = f"{when(attempt.started_at)}  attempt {attempt.number}: "
    meaning = _MEANINGS.get(attempt.outcome, "")
    # Not by commas of print, which puts a blank before the comma.
    told = Text.assemble(
        heading,
        word(attempt.outcome),
        plain(_after(", ", meaning)),
        plain(_at(attempt)),
    )
    out.print(told)
    for line in _details(attempt):
        out.print(plain(f"{INDENT}{line}"))


def _details(attempt: Attempt) -> Iterator[str]:
    way = [
        f"over {attempt.remote or attempt.relay}",
        attempt.tls_version,
        _session(attempt),
    ]
    yield ", ".join(filter(None, way))
    steps = ", ".join(f"{t.phase} {span(t.duration)}" for t in attempt.timings)
    whole = _between(attempt.started_at, attempt.ended_at)
    took = "" if whole is None else f"{span(whole)} in all"
    if steps or took:
        yield "; ".join(filter(None, (steps, took)))
    counts = {
        "delivered": attempt.recipients_delivered,
        "refused": attempt.recipients_refused,
        "put off": attempt.recipients_deferred,
    }
    if any(counts.values()):
        yield "recipients: " + ", ".join(f"{n} {w}" for w, n in counts.items() if n)


def _session(attempt: Attempt) -> str:
    if attempt.session_reused:
        return "a session used before"
    return "a new session" if attempt.remote else ""


def _at(attempt: Attempt) -> str:
    """Where it ended, and what was said there."""
    said = "; ".join(filter(None, (str(attempt.reply or ""), attempt.detail)))
    step = "" if attempt.phase is Phase.UNSPECIFIED else f" at {attempt.phase}"
    return step + _after(": ", said)


def _settled_by(result: DeliveryResult, place: int) -> Iterator[RecipientResult]:
    """The recipients whose state comes from that attempt."""
    attempt = result.attempts[place]
    is_last = place == len(result.attempts) - 1
    for recipient in result.recipients:
        if recipient.settled_at is None:
            told = is_last and bool(recipient.reply or recipient.detail)
        else:
            told = _within(attempt, recipient.settled_at)
        if told:
            yield recipient


def _within(attempt: Attempt, instant: datetime) -> bool:
    if attempt.started_at is None or attempt.ended_at is None:
        return False
    return attempt.started_at <= instant <= attempt.ended_at


def _pause(attempt: Attempt, following: Attempt | None) -> str:
    if following is None:
        return ""
    seconds = _between(attempt.ended_at, following.started_at)
    return "" if seconds is None else span(max(0.0, seconds))


def _show_end(out: Console, result: DeliveryResult) -> None:
    if result.is_final:
        ended = Text(f"{when(result.settled_at)}  ended: ")
        whole = _between(result.accepted_at, result.settled_at)
        took = "" if whole is None else f", after {span(whole)}"
        out.print(Text.assemble(ended, word(result.status), took))
    elif result.next_attempt_at:
        out.print(f"{when(result.next_attempt_at)}  the next attempt is due")
    else:
        out.print(Text.assemble("now: ", word(result.status)))


def _between(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else (end - start).total_seconds()


def _after(mark: str, words: str) -> str:
    return f"{mark}{words}" if words else ""
