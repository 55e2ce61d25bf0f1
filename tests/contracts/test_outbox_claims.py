"""What every outbox must do: handing out what is due."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from postroom_server.domain.clock import Instant
from postroom_server.domain.delivery import DeliveryStatus, RecipientStatus
from postroom_server.domain.transitions import hurry
from postroom_server.outbox.store import Retention

from tests.support.builders import (
    DAY,
    NOW,
    SECOND,
    a_content,
    a_deferral,
    a_finish,
)
from tests.support.outboxes import accept, claim, claim_whole, first_due


def test_what_is_due_is_claimed_with_its_content(outbox):
    delivery = accept(outbox)
    (claimed,) = claim_whole(outbox, NOW, retries=False, limit=1)

    assert claimed.delivery.id == delivery.id
    assert claimed.delivery.status is DeliveryStatus.SENDING
    assert claimed.delivery.attempts_made == 1
    assert claimed.content == a_content()
    assert outbox.get("default", delivery.id) == claimed.delivery


def test_what_is_claimed_is_not_claimed_again(outbox):
    accept(outbox)
    claim(outbox)

    assert claim(outbox) == []


def test_what_is_born_leased_is_not_claimed(outbox):
    accept(outbox, leased=True)

    assert claim(outbox) == []


def test_first_due_is_first_claimed(outbox):
    late = accept(outbox, due_at=Instant(NOW - SECOND))
    early = accept(outbox, due_at=Instant(NOW - 2 * SECOND))
    accept(outbox, due_at=NOW)

    assert [d.id for d in claim(outbox, limit=2)] == [early.id, late.id]


def test_what_is_not_due_is_not_claimed(outbox):
    accept(outbox, due_at=Instant(NOW + 1))

    assert claim(outbox) == []
    assert len(claim(outbox, NOW + 1)) == 1


def test_another_relays_deliveries_are_not_claimed(outbox):
    accept(outbox, relay="other")

    assert claim(outbox) == []


def test_retries_wait_in_a_lane_of_their_own(outbox):
    delivery = accept(outbox, leased=True)
    outbox.save(a_deferral(delivery, Instant(NOW + SECOND)))
    fresh = claim(outbox, NOW + SECOND)
    (retried,) = claim(outbox, NOW + SECOND, retries=True)

    assert fresh == []
    assert retried.attempts_made == 2


def test_what_moved_to_another_relay_is_claimed_there(outbox):
    delivery = accept(outbox)
    change = hurry(delivery, NOW)
    outbox.save(replace(change, after=replace(change.after, relay="other")))

    assert claim(outbox) == []
    assert len(claim_whole(outbox, NOW, relay="other", retries=False, limit=1)) == 1


def test_what_has_settled_is_not_claimed(outbox):
    delivery = accept(outbox, leased=True)
    outbox.save(a_finish(delivery))

    assert claim(outbox, retries=True) == []
    assert first_due(outbox, retries=True) is None


def test_expired_deliveries_are_settled_and_do_not_use_up_the_limit(outbox):
    gone = [
        accept(outbox, due_at=Instant(NOW - 1), expire_at=Instant(NOW)) for _ in "abc"
    ]
    live = accept(outbox)
    claimed = claim(outbox, limit=1)
    settled = outbox.get("default", gone[0].id)

    assert [d.id for d in claimed] == [live.id]
    assert settled.status is DeliveryStatus.EXPIRED
    assert settled.settled_at == NOW
    assert settled.recipients[0].detail == "expired"
    assert outbox.counters().expired == 3


def test_what_expires_before_its_next_attempt_settles_at_its_expiry(outbox):
    delivery = accept(outbox, leased=True, expire_at=Instant(NOW + 10 * SECOND))
    outbox.save(a_deferral(delivery, Instant(NOW + 3600 * SECOND)))
    due = first_due(outbox, retries=True)
    claimed = claim(outbox, NOW + 10 * SECOND, retries=True)
    recipient = outbox.get("default", delivery.id).recipients[0]

    assert due == NOW + 10 * SECOND
    assert claimed == []
    assert recipient.status is RecipientStatus.EXPIRED
    assert recipient.reply.code == 451


def test_each_delivery_is_claimed_by_one_of_many_threads(outbox):
    wanted = {accept(outbox).id for _ in range(40)}
    together = threading.Barrier(8)

    def claim_all():
        together.wait(10)
        mine = []
        while found := claim(outbox, limit=3):
            mine += [delivery.id for delivery in found]
        return mine

    with ThreadPoolExecutor(8) as pool:
        rounds = [pool.submit(claim_all) for _ in range(8)]
    claimed = [one for done in rounds for one in done.result()]

    assert len(claimed) == len(wanted)
    assert set(claimed) == wanted


def test_a_purged_content_is_claimed_as_none(outbox):
    delivery = accept(outbox, leased=True)
    finished = a_finish(delivery)
    outbox.save(finished)
    outbox.purge(Instant(NOW + 2 * DAY), Retention(content=1.0, deliveries=30 * DAY))
    purged = outbox.get("default", delivery.id)
    reopened = replace(purged, version=purged.version + 1, due_at=NOW, settled_at=None)
    pending = replace(purged.recipients[0], status=RecipientStatus.PENDING)
    reopened = replace(reopened, recipients=(pending,))
    outbox.save(replace(finished, before=purged, after=reopened, attempt=None))
    (claimed,) = claim_whole(outbox, NOW, retries=True, limit=1)

    assert claimed.content is None
