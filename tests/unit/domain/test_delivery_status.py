from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom_server.domain.delivery import DeliveryStatus as D
from postroom_server.domain.delivery import RecipientStatus as R
from postroom_server.domain.delivery import status_of


@pytest.mark.parametrize(
    ("recipients", "status"),
    [
        ([R.PENDING], D.QUEUED),
        ([R.PENDING, R.DELIVERED], D.QUEUED),
        ([R.DEFERRED, R.PENDING], D.RETRY),
        ([R.DEFERRED, R.DELIVERED], D.RETRY),
        ([R.DEFERRED, R.UNCERTAIN], D.RETRY),
        ([R.UNCERTAIN, R.DELIVERED], D.UNCERTAIN),
        ([R.DELIVERED, R.DELIVERED], D.SUCCESS),
        ([R.DELIVERED, R.REFUSED], D.PARTIAL),
        ([R.DELIVERED, R.TEMP_FAILED], D.PARTIAL),
        ([R.TEMP_FAILED, R.REFUSED], D.TEMP_FAILED),
        ([R.EXPIRED, R.CANCELLED], D.EXPIRED),
        ([R.CANCELLED, R.FAILED], D.CANCELLED),
        ([R.FAILED, R.REFUSED], D.FAILED),
        ([R.REFUSED, R.WITHHELD], D.REJECTED),
    ],
)
def test_the_status_is_the_first_line_of_the_table_that_fits(recipients, status):
    assert status_of(recipients) is status


@given(st.lists(st.sampled_from([r for r in R if r]), min_size=1, max_size=5))
def test_a_delivery_is_open_exactly_while_a_recipient_is(recipients):
    is_open = any(r.is_open for r in recipients)

    assert status_of(recipients).is_final is not is_open


@given(st.lists(st.sampled_from([r for r in R if r]), min_size=1, max_size=5))
def test_the_order_of_recipients_does_not_matter(recipients):
    assert status_of(recipients) is status_of(reversed(recipients))
