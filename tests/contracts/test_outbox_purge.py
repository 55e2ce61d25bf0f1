"""What every outbox must do: forgetting what is past its time."""

from __future__ import annotations

from postroom_server.domain.clock import Instant
from postroom_server.domain.transitions import hurry
from postroom_server.outbox.store import Retention

from tests.support.builders import DAY, NOW, SECOND, a_content, a_delivery, a_request
from tests.support.outboxes import accept, listed, settle

KEEP = Retention(content=DAY / SECOND, deliveries=30 * DAY / SECOND)


def test_nothing_young_is_purged(outbox):
    delivery = settle(outbox)

    assert outbox.purge(NOW, KEEP) == 0
    assert outbox.get("default", delivery.id) == delivery
    assert outbox.content(delivery.id) == a_content()


def test_the_content_of_old_deliveries_goes_and_their_subject_with_it(outbox):
    delivery = settle(outbox)
    outbox.purge(Instant(NOW + 2 * DAY), KEEP)
    purged = outbox.get("default", delivery.id)

    assert outbox.content(delivery.id) is None
    assert purged.content_purged
    assert purged.subject == ""
    assert purged.recipients == delivery.recipients


def test_who_read_a_delivery_before_its_purge_cannot_write_it_back(outbox):
    delivery = settle(outbox)
    outbox.purge(Instant(NOW + 2 * DAY), KEEP)

    assert not outbox.save(hurry(delivery, NOW))


def test_old_deliveries_go_with_all_that_is_theirs(outbox):
    delivery = settle(outbox)
    outbox.purge(Instant(NOW + 40 * DAY), KEEP)

    assert outbox.get("default", delivery.id) is None
    assert listed(outbox, recipient="bob@example.com") == []
    assert outbox.counters().succeeded == 1


def test_nothing_of_a_live_delivery_is_purged(outbox):
    leased, queued = accept(outbox, leased=True), accept(outbox)
    outbox.purge(Instant(NOW + 400 * DAY), Retention(content=0, deliveries=0, events=0))

    for delivery in (leased, queued):
        assert outbox.get("default", delivery.id) == delivery
        assert outbox.content(delivery.id) == a_content()


def test_expired_request_ids_are_purged_and_others_stay(outbox):
    brief = a_request(a_delivery(), "brief", expires_at=Instant(NOW + SECOND))
    lasting = a_request(a_delivery(), "lasting")
    outbox.remember(brief)
    outbox.remember(lasting)

    assert outbox.purge(Instant(NOW + SECOND), KEEP) == 1
    assert outbox.find("default", "lasting") == lasting


def test_purging_ends(outbox):
    for _ in range(3):
        settle(outbox)
    far = Instant(NOW + 400 * DAY)
    turns = 0
    while outbox.purge(far, KEEP):
        turns += 1
        assert turns < 10
    assert outbox.purge(far, KEEP) == 0
