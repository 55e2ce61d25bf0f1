from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom_server.domain.deciding import deciding_recipient
from postroom_server.domain.delivery import DeliveryStatus as D
from postroom_server.domain.delivery import Recipient, status_of
from postroom_server.domain.delivery import RecipientStatus as R


def recipients(*statuses: R) -> tuple[Recipient, ...]:
    return tuple(
        Recipient(address=f"{place}@example.com", wire=str(place), status=status)
        for place, status in enumerate(statuses)
    )


@pytest.mark.parametrize(
    ("statuses", "place"),
    [
        ([R.DEFERRED, R.DEFERRED, R.DELIVERED], 1),
        ([R.DEFERRED, R.REFUSED], 0),
        ([R.DELIVERED, R.UNCERTAIN, R.TEMP_FAILED], 1),
        ([R.REFUSED, R.TEMP_FAILED, R.TEMP_FAILED], 1),
        ([R.CANCELLED, R.EXPIRED], 1),
        ([R.FAILED, R.CANCELLED], 1),
        ([R.REFUSED, R.FAILED], 1),
        ([R.WITHHELD, R.REFUSED], 1),
        ([R.WITHHELD], 0),
        ([R.DELIVERED, R.REFUSED, R.TEMP_FAILED], 2),
        ([R.DELIVERED, R.REFUSED, R.FAILED], 2),
        ([R.DELIVERED, R.WITHHELD, R.REFUSED, R.REFUSED], 2),
    ],
)
def test_the_recipient_that_ranks_first_decided(statuses, place):
    found = recipients(*statuses)

    assert deciding_recipient(status_of(statuses), found) is found[place]


@pytest.mark.parametrize(
    "statuses",
    [
        [R.DELIVERED],
        [R.PENDING, R.REFUSED],
        [R.PENDING, R.DELIVERED],
    ],
)
def test_without_a_decisive_failure_nobody_did(statuses):
    found = recipients(*statuses)

    assert deciding_recipient(status_of(statuses), found) is None


def test_while_it_is_being_sent_nothing_is_decided():
    assert deciding_recipient(D.SENDING, recipients(R.DEFERRED, R.REFUSED)) is None


SHARED = {
    D.UNCERTAIN: R.UNCERTAIN,
    D.TEMP_FAILED: R.TEMP_FAILED,
    D.EXPIRED: R.EXPIRED,
    D.CANCELLED: R.CANCELLED,
    D.FAILED: R.FAILED,
    D.RETRY: R.DEFERRED,
}


@given(st.lists(st.sampled_from([r for r in R if r]), min_size=1, max_size=6))
def test_who_decided_has_the_status_that_the_delivery_has(statuses):
    status = status_of(statuses)
    decisive = deciding_recipient(status, recipients(*statuses))

    if status in SHARED:
        assert decisive is not None
        assert decisive.status is SHARED[status]
    if status in {D.SUCCESS, D.QUEUED}:
        assert decisive is None
    if status in {D.PARTIAL, D.REJECTED}:
        assert decisive is not None
        assert decisive.status is not R.DELIVERED
