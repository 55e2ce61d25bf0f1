from __future__ import annotations

import pytest
from postroom_server.domain.attempt import FailureReason
from postroom_server.smtp.errors import PoolTimeout
from postroom_server.smtp.timeouts import NO_DEADLINE, Deadline
from postroom_server.smtp.turnstile import paced


def opener(_deadline):
    return "a session"


def test_a_session_is_opened_with_leave():
    assert paced(opener, lambda: 0.0, 10.0)(NO_DEADLINE) == "a session"


def test_leave_is_asked_for_until_it_is_given():
    pauses = [0.0, 0.01, 0.01]

    assert paced(opener, pauses.pop, 10.0)(NO_DEADLINE) == "a session"
    assert pauses == []


@pytest.mark.parametrize(
    ("deadline", "reason"),
    [
        (NO_DEADLINE, FailureReason.TIMEOUT),
        (Deadline(0.0), FailureReason.DEADLINE),
    ],
)
def test_who_can_have_no_leave_in_time_hears_so_at_once(deadline, reason):
    with pytest.raises(PoolTimeout) as error:
        paced(opener, lambda: 60.0, 10.0)(deadline)

    assert error.value.reason is reason
