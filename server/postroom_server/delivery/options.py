"""What a request asks beside its mail: checked, and with its defaults filled in."""

from __future__ import annotations

import re
from collections.abc import Iterator

from postroom_server.domain.clock import Instant, seconds_between
from postroom_server.domain.delivery import Plan
from postroom_server.domain.dsn import dsn_problems
from postroom_server.domain.errors import Problem
from postroom_server.domain.labels import pair_problems, tag_problems
from postroom_server.domain.limits import Limits
from postroom_server.domain.pacing import DAY
from postroom_server.domain.submission import (
    Completion,
    OnUncertain,
    Priority,
    RetryDraft,
    RetryPolicy,
    Submission,
)

SHORTEST_WAIT = 0.1
"""Seconds; the longest is a limit (`max_wait`)."""
QUICK_DELAY_RANGE = (0.1, 60.0)
"""Seconds."""
QUICK_DELAYS_MOST = 3
MIN_DELAY_RANGE = (10.0, 3600.0)
"""Seconds."""
MAX_DELAY_MOST = DAY
ATTEMPTS_MOST = 100
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,256}")


def request_id_problems(request_id: str) -> Iterator[Problem]:
    """What is wrong with a request id; an empty one is none."""
    if request_id and not _REQUEST_ID.fullmatch(request_id):
        yield Problem("request_id", "must be 1 to 256 printable ASCII characters")


def wait_problems(wait_timeout: float | None, limits: Limits) -> Iterator[Problem]:
    """What is wrong with how long a caller wants to wait."""
    if wait_timeout is None:
        return
    if not SHORTEST_WAIT <= wait_timeout <= limits.max_wait:
        yield Problem(
            "wait_timeout",
            f"must be {SHORTEST_WAIT:g} to {limits.max_wait:g} s",
        )


def begins_at(send_at: Instant | None, now: Instant) -> Instant:
    """When what is asked for *send_at* may begin; a time in the past means now."""
    return now if send_at is None else max(now, send_at)


def send_at_problems(
    send_at: Instant | None, now: Instant, limits: Limits
) -> Iterator[Problem]:
    """What is wrong with when the caller wants it to begin."""
    ahead = seconds_between(now, begins_at(send_at, now))
    if ahead > limits.max_send_ahead:
        days = limits.max_send_ahead / DAY
        yield Problem("send_at", f"must be at most {days:g} days ahead")


def expiry_problems(
    expire_at: Instant | None,
    now: Instant,
    limits: Limits,
    send_at: Instant | None = None,
) -> Iterator[Problem]:
    """What is wrong with when the caller wants it to end, if it begins *send_at*."""
    if expire_at is None:
        return
    begins = begins_at(send_at, now)
    whence = "ahead" if begins == now else "after send_at"
    if expire_at <= begins:
        later = "now" if expire_at <= now else "send_at"
        yield Problem("expire_at", f"must be later than {later}")
    elif seconds_between(begins, expire_at) > limits.max_expiry:
        days = limits.max_expiry / DAY
        yield Problem("expire_at", f"must be at most {days:g} days {whence}")


def completion_problems(submission: Submission) -> Iterator[Problem]:
    """What is wrong with when the caller wants the answer."""
    if submission.send_at is not None and completion_of(submission) is not (
        Completion.ACCEPTED
    ):
        yield Problem("completion", "must be ACCEPTED, or unset, with send_at")


def retry_problems(retry: RetryDraft, defaults: RetryPolicy) -> Iterator[Problem]:
    """What is wrong with a retry policy whose open fields mean *defaults*."""
    others = (retry.quick_delays, retry.min_delay, retry.max_delay, retry.max_attempts)
    if retry.disabled and any(others):
        yield Problem("retry.disabled", "allows no other field of retry to be set")
    if len(retry.quick_delays) > QUICK_DELAYS_MOST:
        yield Problem("retry.quick_delays", f"at most {QUICK_DELAYS_MOST} entries")
    for place, delay in enumerate(retry.quick_delays):
        yield from _within(f"retry.quick_delays[{place}]", delay, QUICK_DELAY_RANGE)
    if retry.min_delay is not None:
        yield from _within("retry.min_delay", retry.min_delay, MIN_DELAY_RANGE)
    if retry.max_delay is not None:
        shortest = defaults.min_delay if retry.min_delay is None else retry.min_delay
        yield from _within(
            "retry.max_delay", retry.max_delay, (shortest, MAX_DELAY_MOST)
        )
    if not 0 <= retry.max_attempts <= ATTEMPTS_MOST:
        yield Problem("retry.max_attempts", f"must be 1 to {ATTEMPTS_MOST}")


def option_problems(
    submission: Submission, defaults: RetryPolicy, now: Instant, limits: Limits
) -> tuple[Problem, ...]:
    """All that is wrong with a request outside its mail."""
    return (
        *request_id_problems(submission.request_id),
        *wait_problems(submission.wait_timeout, limits),
        *completion_problems(submission),
        *send_at_problems(submission.send_at, now, limits),
        *expiry_problems(submission.expire_at, now, limits, submission.send_at),
        *retry_problems(submission.retry, defaults),
        *dsn_problems(submission.dsn),
        *pair_problems("metadata", submission.metadata),
        *tag_problems("tags", submission.tags),
    )


def plan_of(submission: Submission, defaults: RetryPolicy) -> Plan:
    """What a *submission* without problems asks for."""
    return Plan(
        completion=completion_of(submission),
        on_uncertain=submission.on_uncertain or OnUncertain.RETRY,
        retry=retry_policy(submission.retry, defaults),
        all_recipients_or_none=submission.all_recipients_or_none,
        dsn=submission.dsn,
        priority=submission.priority or Priority.NORMAL,
    )


def completion_of(submission: Submission) -> Completion:
    """When the caller wants the answer."""
    later = submission.send_at is not None
    return submission.completion or (
        Completion.ACCEPTED if later else Completion.RELAYED
    )


def retry_policy(draft: RetryDraft, defaults: RetryPolicy) -> RetryPolicy:
    """*draft*, with what it leaves open taken from *defaults*."""
    min_delay = draft.min_delay or defaults.min_delay
    return RetryPolicy(
        disabled=draft.disabled or defaults.disabled,
        quick_delays=draft.quick_delays or defaults.quick_delays,
        min_delay=min_delay,
        max_delay=max(min_delay, draft.max_delay or defaults.max_delay),
        max_attempts=draft.max_attempts or defaults.max_attempts,
    )


def _within(field: str, value: float, bounds: tuple[float, float]) -> Iterator[Problem]:
    lowest, highest = bounds
    if not lowest <= value <= highest:
        yield Problem(field, f"must be {lowest:g} to {highest:g} s, got {value:g} s")
