"""The end of a hold: what becomes of mail that may have been delivered meanwhile.

A restored store has what waited when it was copied.  What was due by the time that it
was opened, and what was under way, may have been delivered by the store that it
replaces; an operator says what to assume.  What was due later waits as before.

Each delivery is a commit of its own, and the hold ends after the last: a run that was
broken off is made again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

import structlog

from postroom_server.delivery.recovery import given_up, lost, uncertain
from postroom_server.domain.attempt import FailureReason
from postroom_server.domain.clock import Instant
from postroom_server.domain.delivery import Delivery, RecipientStatus
from postroom_server.domain.submission import Completion
from postroom_server.domain.transitions import Change, Fate, settle_open
from postroom_server.outbox.store import Outbox

AT_ONCE = 32
"""Threads, so that many share a commit."""
PAGE = 500
"""Deliveries of one read."""

_log = structlog.get_logger(__name__)


class Assume(StrEnum):
    """What mail in question is taken for."""

    DELIVERED = "delivered"
    UNCERTAIN = "uncertain"
    QUEUED = "queued"


@dataclass(frozen=True, slots=True)
class Question:
    """Mail *accepted_before* and *due_by* these times is in question."""

    accepted_before: Instant
    due_by: Instant

    def asks(self, delivery: Delivery) -> bool:
        """Whether *delivery*, which is not final, may have been delivered."""
        return delivery.due_at is None or delivery.due_at <= self.due_by


def resume(outbox: Outbox, question: Question, assume: Assume, now: Instant) -> int:
    """Decide about what is in *question* and end the hold; how many were changed."""
    decide = _DECISIONS[assume]

    def settle(delivery: Delivery) -> bool:
        change = decide(delivery, now)
        return change is not None and outbox.save(change)

    count = 0
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="postroom-resume") as pool:
        for page in _pages(outbox, question):
            count += sum(pool.map(settle, page))
    outbox.hold.end()
    _log.warning("store.resumed", assume=assume.value, deliveries=count)
    return count


def in_question(outbox: Outbox, question: Question) -> int:
    """How many deliveries are in *question*."""
    return sum(len(page) for page in _pages(outbox, question))


def _pages(outbox: Outbox, question: Question) -> Iterator[Sequence[Delivery]]:
    after: tuple[Instant, str] | None = None
    while page := outbox.live(question.accepted_before, after, PAGE):
        yield [delivery for delivery in page if question.asks(delivery)]
        after = (page[-1].accepted_at, page[-1].id)


def _delivered(delivery: Delivery, now: Instant) -> Change:
    return _settled(delivery, now, _DELIVERED)


def _uncertain(delivery: Delivery, now: Instant) -> Change:
    return _settled(delivery, now, _UNCERTAIN)


def _queued(delivery: Delivery, now: Instant) -> Change | None:
    """It goes on, but for what was relayed: nobody waits for that any more."""
    if delivery.leased_at is not None:
        return lost(delivery, now)
    if delivery.plan.completion is Completion.RELAYED:
        return settle_open(delivery, given_up(_NOT_SENT), now)
    return None


def _settled(delivery: Delivery, now: Instant, fate: Fate) -> Change:
    if delivery.leased_at is not None:
        return uncertain(delivery, fate, now)
    return settle_open(delivery, fate, now)


_NOT_SENT = "the store was restored before the mail was sent"
_DELIVERED = Fate(
    status=RecipientStatus.DELIVERED,
    detail="taken for delivered before the store was restored",
)
_UNCERTAIN = Fate(
    status=RecipientStatus.UNCERTAIN,
    reason=FailureReason.INTERNAL,
    detail="perhaps delivered before the store was restored",
)
_DECISIONS: dict[Assume, Callable[[Delivery, Instant], Change | None]] = {
    Assume.DELIVERED: _delivered,
    Assume.UNCERTAIN: _uncertain,
    Assume.QUEUED: _queued,
}
