"""Cursors: only ours are read, and only for the tenant and store they are of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom_server.delivery.watching import Position
from postroom_server.domain.clock import Instant
from postroom_server.domain.errors import CursorExpired, InvalidToken
from postroom_server.outbox.event_pages import START, Place
from postroom_server.rpc.convert.cursors import Cursors

from tests.support.builders import NOW
from tests.support.clocks import FakeClock

WEEK = 7 * 86_400.0
NUMBER = st.integers(0, 2**63 - 1)


def cursors(epoch: str = "e", clock: FakeClock | None = None) -> Cursors:
    return Cursors(epoch, WEEK, clock or FakeClock(NOW))


HERE = Position(Place(3, 4), NOW)


@given(NUMBER, NUMBER, st.integers(NOW, NOW + 10**9), st.text(max_size=63))
def test_a_cursor_is_read_as_it_was_made(transaction, number, as_of, tenant):
    position = Position(Place(transaction, number), Instant(as_of))
    cursor = cursors().make(position, tenant)

    assert len(cursor) <= 256
    assert cursors().read(cursor, tenant) == position


@given(st.text(max_size=300))
def test_any_other_text_is_refused(text):
    with pytest.raises(InvalidToken):
        cursors().read(text, "a")


@pytest.mark.parametrize(("epoch", "tenant"), [("e", "b"), ("f", "a"), ("ea", "")])
def test_a_cursor_of_another_tenant_or_store_is_refused(epoch, tenant):
    cursor = cursors().make(HERE, "a")

    with pytest.raises(InvalidToken):
        cursors(epoch).read(cursor, tenant)


@pytest.mark.parametrize("change", ["{}=", "{}A", " {}", "{}\n"])
def test_a_cursor_has_one_spelling(change):
    cursor = cursors().make(HERE, "a")

    with pytest.raises(InvalidToken):
        cursors().read(change.format(cursor), "a")


def test_a_cursor_is_good_for_a_week():
    clock = FakeClock(NOW)
    cursor = cursors(clock=clock).make(HERE, "a")
    clock.advance(WEEK)

    assert cursors(clock=clock).read(cursor, "a") == HERE


def test_after_that_it_says_where_to_begin():
    clock = FakeClock(NOW)
    ours = cursors(clock=clock)
    cursor = ours.make(HERE, "a")
    clock.advance(WEEK + 1.0)
    with pytest.raises(CursorExpired) as caught:
        ours.read(cursor, "a")

    oldest = caught.value.metadata["oldest_cursor"]
    assert ours.read(oldest, "a") == Position(START, clock.now())
