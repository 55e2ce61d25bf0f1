"""The pool's decisions against a model: hand-outs, queue and counts, in any order."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from postroom_server.domain.stats import CloseReason
from postroom_server.smtp.pool_policy import Pooled, admitted
from postroom_server.smtp.pool_seats import Seats, Waiter, Word
from postroom_server.smtp.settings import PoolSettings

SIZE = 3


def a_session() -> Pooled:
    return admitted(SimpleNamespace(transactions=0), 0, 0.0, PoolSettings())


class SeatsModel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.seats = Seats(SIZE, max_waiting=4)
        self.lent: list[Pooled] = []
        self.openers = 0
        self.waiters: list[Waiter] = []

    def take(self, grant: object) -> None:
        if isinstance(grant, Pooled):
            assert grant not in self.lent, "one session lent twice"
            self.lent.append(grant)
        elif grant is Word.OPEN:
            self.openers += 1

    @rule()
    def somebody_comes(self) -> None:
        claimed = self.seats.claim()
        if isinstance(claimed, Waiter):
            self.waiters.append(claimed)
        else:
            self.take(claimed)

    @precondition(lambda self: self.openers)
    @rule(works=st.booleans())
    def an_opening_ends(self, works: bool) -> None:
        self.openers -= 1
        if works:
            session = a_session()
            self.seats.opened(session)
            self.lent.append(session)
        else:
            self.seats.opening_failed()

    @precondition(lambda self: self.lent)
    @rule(sound=st.booleans())
    def a_session_comes_back(self, sound: bool) -> None:
        session = self.lent.pop()
        if sound:
            self.seats.returned(session)
        else:
            self.seats.gone(session, CloseReason.ERROR)

    @precondition(lambda self: self.waiters)
    @rule(place=st.integers(0, 3))
    def somebody_stops_waiting(self, place: int) -> None:
        waiter = self.waiters.pop(place % len(self.waiters))
        self.take(self.seats.leave(waiter))

    @precondition(lambda self: self.seats.idle)
    @rule()
    def an_idle_session_proves_dead(self) -> None:
        dead = self.seats.next_grant()
        self.take(self.seats.exchange(dead, CloseReason.DEAD))

    @rule()
    def the_pool_is_drained(self) -> None:
        for session in self.seats.drain(CloseReason.DRAINED):
            self.seats.gone(session, CloseReason.DRAINED)

    @invariant()
    def seats_are_never_more_than_there_are(self) -> None:
        stats = self.seats.stats()
        assert stats.idle + stats.in_use + stats.opening <= SIZE

    @invariant()
    def every_seat_taken_has_somebody_in_it(self) -> None:
        granted = [w.grant for w in self.waiters if w.grant is not None]
        sessions = [g for g in granted if isinstance(g, Pooled)]
        assert len(self.seats.in_use) == len(self.lent) + len(sessions)
        assert self.seats.opening == self.openers + granted.count(Word.OPEN)

    @invariant()
    def nobody_waits_while_a_seat_is_free(self) -> None:
        if self.seats.waiters:
            assert not self.seats.idle
            assert self.seats.taken == SIZE

    @invariant()
    def those_who_came_first_are_served_first(self) -> None:
        granted = [w.granted.is_set() for w in self.waiters]
        assert granted == sorted(granted, reverse=True)


TestSeats = SeatsModel.TestCase


def test_a_full_queue_turns_away():
    seats = Seats(1, max_waiting=1)
    seats.claim()
    seats.claim()

    assert seats.claim() is None


def test_closing_turns_away_those_who_wait_and_those_who_come():
    seats = Seats(1, max_waiting=1)
    seats.claim()
    waiter = seats.claim()
    seats.close()

    assert isinstance(waiter, Waiter)
    assert waiter.grant is Word.CLOSED
    assert seats.claim() is Word.CLOSED


@pytest.mark.parametrize("grant", [None, Word.CLOSED])
def test_nothing_is_taken_back_where_nothing_was_given(grant):
    seats = Seats(1, max_waiting=1)
    seats.take_back(grant)

    assert seats.taken == 0
