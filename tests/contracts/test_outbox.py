"""What every outbox must do: accepting, request ids, saving."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from postroom_server.domain.clock import Instant
from postroom_server.domain.counters import Counters
from postroom_server.domain.transitions import hurry, mark_data
from postroom_server.outbox.errors import RowRefused

from tests.support.builders import (
    NOW,
    SECOND,
    a_content,
    a_delivery,
    a_finish,
    a_new_delivery,
    a_request,
    an_attachment,
)
from tests.support.outboxes import accept, claim, listed


def test_an_accepted_delivery_is_read_back_as_it_was(outbox):
    delivery = accept(outbox, "a@example.com", "b@example.com", subject="Grüße")

    assert outbox.get("default", delivery.id) == delivery


def test_it_is_there_after_the_store_was_closed(open_outbox):
    delivery = accept(open_outbox())

    assert open_outbox().get("default", delivery.id) == delivery


def test_its_content_is_read_back_as_it_was(outbox):
    change = a_new_delivery()
    content = a_content(
        text="Zażółć gęślą jaźń\n" * 4000, attachments=(an_attachment(b"\0\xff" * 40),)
    )
    outbox.accept(change, content, None)

    assert outbox.content(change.after.id) == content


def test_another_tenant_does_not_see_it(outbox):
    delivery = accept(outbox, tenant="a")

    assert outbox.get("b", delivery.id) is None
    assert listed(outbox, tenant="b") == []


def test_an_unknown_delivery_is_none(outbox):
    assert outbox.get("default", "0" * 32) is None
    assert outbox.content("0" * 32) is None


def test_a_store_keeps_its_birthday(open_outbox, clock):
    open_outbox()
    clock.advance(10.0)

    assert open_outbox().created_at == NOW


def test_a_store_keeps_its_secret(open_outbox):
    secret = open_outbox().secret

    assert open_outbox().secret == secret


def test_stores_of_the_same_birthday_have_secrets_of_their_own(
    open_outbox, store, tmp_path, clock
):
    folder = tmp_path / "other"
    folder.mkdir()
    with closing(type(store)(folder).open(clock, [])) as other:
        assert open_outbox().secret != other.secret
        assert open_outbox().created_at == other.created_at
        assert len(other.secret) >= 32


def test_an_id_is_used_once(outbox):
    delivery = accept(outbox)

    with pytest.raises(RowRefused):
        accept(outbox, id=delivery.id, subject="another")
    assert outbox.get("default", delivery.id) == delivery


def test_a_repeated_request_stores_nothing_and_tells_what_it_made(outbox):
    first, second = a_new_delivery(), a_new_delivery()
    record = a_request(first.after)
    outbox.accept(first, a_content(), record)
    used = outbox.accept(second, a_content(), a_request(second.after))

    assert used == record
    assert outbox.get("default", second.after.id) is None
    assert outbox.content(second.after.id) is None
    assert outbox.counters().accepted == 1
    assert claim(outbox) != []
    assert claim(outbox) == []


def test_tenants_do_not_share_request_ids(outbox):
    for tenant in ("a", "b"):
        change = a_new_delivery(tenant=tenant)

        assert outbox.accept(change, a_content(), a_request(change.after)) is None


def test_a_request_id_is_found_until_it_expires(outbox, clock):
    change = a_new_delivery()
    record = a_request(change.after, expires_at=Instant(NOW + SECOND))
    outbox.accept(change, a_content(), record)
    found = outbox.find("default", "r1")
    clock.advance(1.0)

    assert found == record
    assert outbox.find("default", "r1") is None


def test_an_expired_request_id_may_be_used_again(outbox, clock):
    first, second = a_new_delivery(), a_new_delivery()
    brief = a_request(first.after, expires_at=Instant(NOW + SECOND))
    outbox.accept(first, a_content(), brief)
    clock.advance(1.0)
    record = a_request(second.after)

    assert outbox.accept(second, a_content(), record) is None
    assert outbox.find("default", "r1") == record


def test_one_of_many_equal_requests_at_once_is_stored(outbox):
    changes = [a_new_delivery() for _ in range(16)]
    together = threading.Barrier(len(changes))

    def send(change):
        together.wait(10)
        return outbox.accept(change, a_content(), a_request(change.after))

    with ThreadPoolExecutor(len(changes)) as pool:
        answers = list(pool.map(send, changes))

    (winner,) = (c.after for c, used in zip(changes, answers, strict=True) if not used)
    assert {used.delivery_id for used in answers if used} == {winner.id}
    assert listed(outbox) == [winner.id]


def test_a_request_id_can_be_used_without_a_change(outbox):
    record = a_request(a_delivery(), method="CancelDelivery")
    first, second = outbox.remember(record), outbox.remember(record)

    assert (first, second) == (None, record)


def test_a_change_can_use_a_request_id(outbox):
    delivery = accept(outbox)
    record = a_request(delivery, method="RetryDelivery")
    stored = outbox.save(hurry(delivery, NOW), request=record)

    assert stored
    assert outbox.find("default", "r1") == record


def test_a_change_whose_request_id_was_used_is_not_stored(outbox):
    delivery = accept(outbox)
    record = a_request(a_delivery(), method="CancelDelivery")
    outbox.remember(record)
    stored = outbox.save(hurry(delivery, NOW), request=a_request(delivery))

    assert not stored
    assert outbox.get("default", delivery.id) == delivery
    assert outbox.find("default", "r1") == record


def test_the_request_id_of_a_delivery_can_be_freed(outbox):
    change = a_new_delivery(request_id="r1")
    outbox.accept(change, a_content(), a_request(change.after))
    stored = outbox.save(hurry(change.after, NOW), forget_request=True)

    assert stored
    assert outbox.find("default", "r1") is None


def test_a_request_id_that_made_something_else_is_not_freed(outbox):
    delivery = accept(outbox, request_id="r1")
    record = a_request(a_delivery(), method="CancelDelivery")
    outbox.remember(record)
    outbox.save(hurry(delivery, NOW), forget_request=True)

    assert outbox.find("default", "r1") == record


def test_a_saved_change_is_read_back(outbox):
    delivery = accept(outbox, leased=True)
    change = a_finish(delivery)

    assert outbox.save(change)
    assert outbox.get("default", delivery.id) == change.after


def test_a_change_of_an_older_version_changes_nothing(outbox):
    delivery = accept(outbox, leased=True)
    outbox.save(mark_data(delivery))
    before = outbox.get("default", delivery.id)
    stored = outbox.save(a_finish(delivery))

    assert not stored
    assert outbox.get("default", delivery.id) == before
    assert outbox.counters().succeeded == 0


def test_a_change_of_nothing_is_not_stored(outbox):
    assert not outbox.save(a_finish(a_new_delivery(leased=True).after))


def test_saving_again_what_was_saved_is_true_and_counts_once(outbox):
    delivery = accept(outbox, leased=True)
    change = a_finish(delivery)
    first, second = outbox.save(change), outbox.save(change)

    assert (first, second) == (True, True)
    assert outbox.counters().succeeded == 1


def test_of_many_changes_of_one_version_one_is_stored(outbox):
    delivery = accept(outbox)
    changes = [hurry(delivery, Instant(NOW + n)) for n in range(16)]
    together = threading.Barrier(len(changes))

    def save(change):
        together.wait(10)
        return outbox.save(change)

    with ThreadPoolExecutor(len(changes)) as pool:
        stored = list(pool.map(save, changes))

    (winner,) = (c.after for c, won in zip(changes, stored, strict=True) if won)
    assert outbox.get("default", delivery.id) == winner


def test_counts_add_up_by_relay_and_over_all(open_outbox):
    outbox = open_outbox()
    outbox.save(a_finish(accept(outbox, leased=True, size_bytes=100)))
    accept(outbox, relay="other")
    expected = Counters(
        accepted=1,
        attempts=1,
        succeeded=1,
        transactions_accepted=1,
        recipients_delivered=1,
        bytes_sent=100,
    )

    assert outbox.counters("main") == expected
    assert open_outbox().counters() == expected + Counters(accepted=1)


def test_a_listener_hears_of_what_was_stored_and_of_nothing_else(outbox, told):
    accepted = a_new_delivery()
    outbox.accept(accepted, a_content(), a_request(accepted.after))
    outbox.accept(a_new_delivery(), a_content(), a_request(accepted.after))
    (claimed,) = claim(outbox)
    finished = a_finish(claimed)
    outbox.save(finished)
    outbox.save(hurry(accepted.after, NOW))

    assert [change.after for change in told] == [
        accepted.after,
        claimed,
        finished.after,
    ]
