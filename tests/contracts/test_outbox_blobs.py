"""What every outbox must do: large octets, and blobs for mails to come."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from postroom_server.domain.clock import Instant
from postroom_server.domain.errors import BlobNotFound, QuotaExceeded
from postroom_server.domain.limits import MB
from postroom_server.domain.octets import DamagedOctets, StoredOctets
from postroom_server.outbox.blobs import LEAST_COUNTED
from postroom_server.outbox.store import BlobTerms, Retention

from tests.support.blobs import (
    DATA,
    bring,
    sweep_all,
    upload,
    with_file,
)
from tests.support.builders import (
    DAY,
    NOW,
    SECOND,
    a_content,
    a_deferral,
    a_finish,
    a_new_delivery,
)
from tests.support.outboxes import claim, claim_whole
from tests.support.stores import STORES, ObjectStore

PATIENCE = 10.0
KEEP = Retention(content=DAY / SECOND, deliveries=30 * DAY / SECOND)


@pytest.fixture(params=[*STORES, "objects"])
def store(request, tmp_path):
    """All stores, and one more whose octets are elsewhere."""
    return {**STORES, "objects": ObjectStore}[request.param](tmp_path)


@pytest.fixture
def blobs(outbox):
    return outbox.blobs


def accept(outbox, octets, **fields):
    """A delivery whose mail refers to *octets*."""
    change = a_new_delivery(**fields)
    assert outbox.accept(change, with_file(octets), None) is None
    return change.after


def octets_of(outbox, delivery) -> bytes:
    """Those of the delivery's file, as they are stored."""
    (octets,) = outbox.content(delivery.id).message.stored
    return b"".join(octets.blocks())


def test_a_blob_is_found_by_its_digest(blobs):
    blob = upload(blobs)
    found = blobs.find("default", blob.octets.sha256)

    assert (found.tenant, found.octets, found.expires_at) == (
        "default",
        blob.octets,
        Instant(NOW + DAY),
    )
    assert b"".join(found.octets.blocks()) == DATA
    assert blob.name == f"blobs/{blob.octets.sha256}"


def test_the_same_octets_again_only_move_its_end(blobs, clock):
    first = upload(blobs)
    clock.advance(3600)
    second = upload(blobs)

    assert (first.existed, second.existed) == (False, True)
    assert second.expires_at == first.expires_at + 3600 * SECOND
    assert blobs.find("default", first.octets.sha256).expires_at == second.expires_at


def test_two_tenants_share_the_file_and_nothing_else(blobs, store):
    mine, theirs = upload(blobs, "a"), upload(blobs, "b")

    assert store.octets_kept() == 1
    assert not theirs.existed
    assert mine.octets == theirs.octets


def test_a_tenant_does_not_learn_what_another_has(blobs):
    sha256 = upload(blobs, "a").octets.sha256

    assert blobs.find("b", sha256) is None
    assert blobs.find("a", "0" * 64) is None


@pytest.mark.parametrize(("left", "is_there"), [(1, True), (0, False), (-1, False)])
def test_a_blob_goes_at_its_end(blobs, clock, left, is_there):
    blob = upload(blobs)
    clock.advance((DAY - left) / SECOND)

    assert (blobs.find("default", blob.octets.sha256) is not None) is is_there


def test_a_blob_past_its_end_counts_as_new(blobs, clock):
    upload(blobs)
    clock.advance(DAY / SECOND)

    assert not upload(blobs).existed


def test_a_blob_whose_file_is_gone_is_not_found_until_it_is_brought_again(blobs, store):
    sha256 = upload(blobs).octets.sha256
    store.lose_octets()

    assert blobs.find("default", sha256) is None
    upload(blobs)
    assert blobs.find("default", sha256) is not None


def test_a_blob_whose_file_was_cut_short_is_not_found(blobs, store):
    sha256 = upload(blobs).octets.sha256
    store.cut_octets()

    assert blobs.find("default", sha256) is None


def test_blobs_survive_a_restart(open_outbox):
    sha256 = upload(open_outbox().blobs).octets.sha256
    found = open_outbox().blobs.find("default", sha256)

    assert b"".join(found.octets.blocks()) == DATA


def test_an_accepted_mail_moves_the_end_of_its_blob(outbox, blobs, clock):
    blob = upload(blobs)
    clock.advance(3600)
    accept(outbox, blob.octets)
    found = blobs.find("default", blob.octets.sha256)

    assert found.expires_at == blob.expires_at + 3600 * SECOND


def test_a_mail_of_another_tenant_moves_nothing(outbox, blobs, clock):
    blob = upload(blobs)
    clock.advance(3600)
    accept(outbox, blob.octets, tenant="b")

    assert blobs.find("default", blob.octets.sha256).expires_at == blob.expires_at
    assert blobs.find("b", blob.octets.sha256) is None


def test_a_mail_does_not_revive_a_blob(outbox, blobs, clock):
    blob = upload(blobs)
    clock.advance(DAY / SECOND)
    accept(outbox, blob.octets)

    assert blobs.find("default", blob.octets.sha256) is None


def test_a_mail_keeps_its_octets_when_the_blob_has_gone(outbox, blobs, clock, store):
    delivery = accept(outbox, upload(blobs).octets)
    clock.advance(2 * DAY / SECOND)
    outbox.purge(clock.now(), KEEP)
    store.age_octets()

    assert sweep_all(blobs) == 0
    assert octets_of(outbox, delivery) == DATA


def test_a_mail_is_tried_again_with_its_octets_after_a_restart(
    open_outbox, clock, store
):
    outbox = open_outbox()
    octets = upload(outbox.blobs).octets
    delivery = accept(outbox, octets, leased=True, expire_at=Instant(NOW + 9 * DAY))
    outbox.save(a_deferral(delivery, Instant(NOW + DAY)))
    clock.advance(2 * DAY / SECOND)
    outbox = open_outbox()
    outbox.purge(clock.now(), KEEP)
    store.age_octets()
    sweep_all(outbox.blobs)
    (claimed,) = claim_whole(outbox, clock.now(), retries=True, limit=1)
    (octets,) = claimed.content.message.stored

    assert b"".join(octets.blocks()) == DATA


def test_the_octets_of_a_purged_mail_go(outbox, blobs, clock, store):
    change = a_finish(accept(outbox, bring(blobs), leased=True))
    outbox.save(change)
    clock.advance(2 * DAY / SECOND)
    outbox.purge(clock.now(), KEEP)
    store.age_octets()

    assert sweep_all(blobs) == 1
    assert store.octets_kept() == 0


def test_octets_stay_as_long_as_one_of_their_mails(outbox, blobs, clock, store):
    octets = bring(blobs)
    outbox.save(a_finish(accept(outbox, octets, leased=True)))
    live = accept(outbox, octets)
    clock.advance(2 * DAY / SECOND)
    outbox.purge(clock.now(), KEEP)
    store.age_octets()

    assert sweep_all(blobs) == 0
    assert octets_of(outbox, live) == DATA


def test_octets_go_with_the_last_blob_and_an_hour_later(blobs, outbox, clock, store):
    upload(blobs, "a")
    clock.advance(DAY / SECOND)
    upload(blobs, "b")
    outbox.purge(clock.now(), KEEP)
    store.age_octets()
    assert sweep_all(blobs) == 0

    clock.advance(DAY / SECOND)
    outbox.purge(clock.now(), KEEP)
    assert sweep_all(blobs) == 1


def test_octets_that_nobody_used_go(blobs, store):
    bring(blobs)
    assert sweep_all(blobs) == 0

    store.age_octets()
    assert sweep_all(blobs) == 1


def test_purging_tells_of_expired_blobs(outbox, blobs):
    upload(blobs, "a")
    upload(blobs, "b")

    assert outbox.purge(Instant(NOW + DAY - 1), KEEP) == 0
    assert outbox.purge(Instant(NOW + DAY), KEEP) == 2


def test_no_mail_is_accepted_whose_octets_are_gone(outbox, blobs, store):
    octets = bring(blobs)
    store.lose_octets()

    with pytest.raises(BlobNotFound):
        outbox.accept(a_new_delivery(), with_file(octets), None)
    assert claim(outbox) == []


def test_accepting_a_mail_keeps_its_octets_from_being_swept(outbox, blobs, store):
    """They were brought long ago, and the commit is still to come."""
    octets = bring(blobs)
    store.age_octets()
    accept(outbox, octets)
    outbox.purge(Instant(NOW + 400 * DAY), replace(KEEP, content=0))

    assert sweep_all(blobs) == 0


def test_a_store_without_its_files_still_opens(open_outbox, store):
    outbox = open_outbox()
    delivery = accept(outbox, bring(outbox.blobs))
    plain = a_new_delivery()
    outbox.accept(plain, a_content(), None)
    outbox.close()
    store.lose_octets()
    outbox = open_outbox()

    with pytest.raises(DamagedOctets):
        octets_of(outbox, delivery)
    assert len(claim_whole(outbox, NOW, retries=False, limit=9)) == 2
    assert outbox.content(plain.after.id) == a_content()


def with_quota(store, clock, quota: int):
    return store.open(clock, [], BlobTerms(quota=quota))


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_a_tenant_may_have_its_quota_and_no_more(store, clock, extra):
    outbox = with_quota(store, clock, 100_000)
    upload(outbox.blobs, data=b"x" * 60_000)
    second = b"y" * (40_000 + extra)
    if extra > 0:
        with pytest.raises(QuotaExceeded):
            upload(outbox.blobs, data=second)
        assert outbox.blobs.find("default", StoredOctets.of(second).sha256) is None
    else:
        assert not upload(outbox.blobs, data=second).existed
    outbox.close()


def test_quotas_are_each_tenants_own_and_end_with_the_blobs(store, clock):
    outbox = with_quota(store, clock, 10_000)
    upload(outbox.blobs, "a", b"x" * 10_000)
    upload(outbox.blobs, "b", b"x" * 10_000)
    assert upload(outbox.blobs, "a", b"x" * 10_000).existed
    clock.advance(DAY / SECOND)

    assert not upload(outbox.blobs, "a", b"y" * 10_000).existed
    outbox.close()


def test_small_blobs_count_for_what_their_files_take(store, clock):
    outbox = with_quota(store, clock, 2 * LEAST_COUNTED)
    upload(outbox.blobs, data=b"1")
    upload(outbox.blobs, data=b"2")

    with pytest.raises(QuotaExceeded):
        upload(outbox.blobs, data=b"3")
    outbox.close()


def test_two_at_once_do_not_share_what_is_left_of_a_quota(store, clock):
    outbox = with_quota(store, clock, MB)
    brought = [bring(outbox.blobs, bytes([n]) * (MB // 2 + 1)) for n in range(8)]
    barrier = threading.Barrier(len(brought))
    kept, refused = [], []

    def keep(octets):
        barrier.wait(PATIENCE)
        try:
            kept.append(outbox.blobs.keep("default", octets))
        except QuotaExceeded as error:
            refused.append(error)

    threads = [threading.Thread(target=keep, args=(o,), name="keeps") for o in brought]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    outbox.close()

    assert (len(kept), len(refused)) == (1, 7)
