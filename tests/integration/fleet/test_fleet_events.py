"""Events of a fleet: what is stored late is told late, and not left out."""

from __future__ import annotations

import psycopg
from postroom_server.domain.clock import Instant, SystemClock
from postroom_server.outbox.event_pages import EventQuery

from tests.support.builders import DAY
from tests.support.outboxes import accept

LATE = (
    "INSERT INTO event (tenant, delivery, sequence, kind, at, doc) "
    "SELECT tenant, delivery, 77, kind, at, doc FROM event LIMIT 1"
)


def live(outbox) -> None:
    now = SystemClock().now()
    accept(outbox, accepted_at=now, due_at=now, expire_at=Instant(now + DAY))


def test_an_event_that_is_committed_after_a_later_one_is_told_all_the_same(join, url):
    outbox = join()
    live(outbox)
    query = EventQuery(limit=100, after=outbox.events_end())
    with psycopg.connect(url) as other:
        other.execute(LATE)
        live(outbox)
        page = outbox.events(query)
    rest = outbox.events(EventQuery(limit=100, after=page.place))
    told = [event.sequence for event in (*page.events, *rest.events)]

    assert 77 in told
    assert len(told) == 2
