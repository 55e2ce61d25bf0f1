"""What the meter hears of an attempt."""

from __future__ import annotations

import pytest
from postroom_server.delivery.attempts import Course
from postroom_server.delivery.observing import Observer
from postroom_server.domain.clock import Instant
from postroom_server.domain.stats import LatencyKind
from postroom_server.domain.transitions import begin_attempt

from tests.support.builders import DAY, NOW, SECOND, a_finish, a_new_delivery


class Meter:
    def __init__(self):
        self.observed = {}

    def observe(self, _relay, spent, _tenant):
        self.observed.update(spent)


@pytest.mark.parametrize(
    ("send_at", "seconds"),
    [(None, 31.0), (Instant(NOW + 30 * SECOND), 1.0), (Instant(NOW + DAY), 0.0)],
)
def test_a_send_is_timed_without_the_time_before_it_was_to_begin(send_at, seconds):
    begun = Instant(NOW + 30 * SECOND)
    waiting = a_new_delivery(send_at=send_at).after
    sent = a_finish(begin_attempt(waiting, begun).after).after
    meter = Meter()
    Observer(meter).attempted(sent, Course(findings={}))

    assert meter.observed[LatencyKind.SEND] == seconds
