from __future__ import annotations

from postroom_server.domain.clock import Instant
from postroom_server.domain.relays import RelayPause

from tests.support.builders import NOW

PAUSE = RelayPause('repairs; it\'s "new"', "ops", Instant(NOW))


def test_a_new_store_has_no_pauses(outbox):
    assert outbox.pauses.all() == {}


def test_a_pause_is_kept_as_it_was_said(outbox):
    outbox.pauses.keep("main", PAUSE)

    assert outbox.pauses.all() == {"main": PAUSE}


def test_another_pause_of_the_relay_replaces_it(outbox):
    later = RelayPause("moved", "", Instant(NOW + 1))
    outbox.pauses.keep("main", PAUSE)
    outbox.pauses.keep("main", later)
    outbox.pauses.keep("other", PAUSE)

    assert outbox.pauses.all() == {"main": later, "other": PAUSE}


def test_a_pause_that_was_ended_is_gone(outbox):
    outbox.pauses.keep("main", PAUSE)
    outbox.pauses.keep("other", PAUSE)

    outbox.pauses.end("main")
    outbox.pauses.end("main")

    assert outbox.pauses.all() == {"other": PAUSE}
