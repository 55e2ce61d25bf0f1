from __future__ import annotations

import pytest
from postroom_server.delivery.options import option_problems
from postroom_server.domain.clock import Instant, after
from postroom_server.domain.draft import MessageDraft
from postroom_server.domain.limits import Limits
from postroom_server.domain.submission import RetryDraft, RetryPolicy, Submission

from tests.support.deliveries import NOW

DAY = 86_400.0


def problems(**fields):
    """The fields that are wrong."""
    submission = Submission(message=MessageDraft(), **fields)
    found = option_problems(submission, RetryPolicy(), NOW, Limits())
    return [problem.field for problem in found]


@pytest.mark.parametrize("request_id", ["", "a", "x" * 256, "!~"])
def test_a_request_id_is_printable_ascii(request_id):
    assert problems(request_id=request_id) == []


@pytest.mark.parametrize(
    ("wait", "found"),
    [
        (None, []),
        (0.1, []),
        (120.0, []),
        (0.099, ["wait_timeout"]),
        (120.1, ["wait_timeout"]),
    ],
)
def test_a_wait_keeps_to_the_limits(wait, found):
    assert problems(wait_timeout=wait) == found


@pytest.mark.parametrize(
    ("ahead", "found"),
    [
        (1.0, []),
        (7 * DAY, []),
        (0.0, ["expire_at"]),
        (-1.0, ["expire_at"]),
        (7 * DAY + 1, ["expire_at"]),
    ],
)
def test_an_expiry_is_later_than_now_and_at_most_a_week_ahead(ahead, found):
    assert problems(expire_at=Instant(after(NOW, ahead))) == found


@pytest.mark.parametrize(
    ("retry", "found"),
    [
        (RetryDraft(disabled=True), []),
        (RetryDraft(disabled=True, max_attempts=1), ["retry.disabled"]),
        (RetryDraft(quick_delays=(0.1, 1.0, 60.0)), []),
        (RetryDraft(quick_delays=(0.09,)), ["retry.quick_delays[0]"]),
        (RetryDraft(quick_delays=(1.0, 60.1)), ["retry.quick_delays[1]"]),
        (RetryDraft(quick_delays=(1.0,) * 4), ["retry.quick_delays"]),
        (RetryDraft(min_delay=10.0, max_delay=10.0), []),
        (RetryDraft(min_delay=9.9), ["retry.min_delay"]),
        (RetryDraft(min_delay=3600.1), ["retry.min_delay"]),
        (RetryDraft(max_delay=60.0), []),
        (RetryDraft(max_delay=59.9), ["retry.max_delay"]),
        (RetryDraft(min_delay=100.0, max_delay=99.0), ["retry.max_delay"]),
        (RetryDraft(max_delay=DAY + 1), ["retry.max_delay"]),
        (RetryDraft(max_attempts=100), []),
        (RetryDraft(max_attempts=101), ["retry.max_attempts"]),
        (RetryDraft(max_attempts=-1), ["retry.max_attempts"]),
    ],
)
def test_a_retry_policy_keeps_to_its_bounds(retry, found):
    assert problems(retry=retry) == found
