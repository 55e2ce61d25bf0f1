"""Sessions that several have at once: when one more may, and who gives back what."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from postroom_server.domain.stats import CloseReason
from postroom_server.smtp.pool_policy import Pooled, admitted
from postroom_server.smtp.pool_seats import Seats, Shared, Waiter, Word
from postroom_server.smtp.settings import PoolSettings

SIZE, PLACES = 2, 3


def a_session(places: int = PLACES, **settings) -> Pooled:
    session = SimpleNamespace(transactions=0, places=places, has_room=True)
    exact = PoolSettings(jitter=0.0, **settings)
    return admitted(session, 0, 0.0, exact)


def in_use(seats: Seats, pooled: Pooled) -> tuple[Pooled, object]:
    assert seats.claim() is Word.OPEN
    seats.opened(pooled)
    return pooled, pooled.unsettled


def test_a_new_session_is_preferred_to_a_shared_one():
    seats = Seats(2, max_waiting=1)
    first, _ = in_use(seats, a_session())
    seats.settled(first, 0.0)

    assert seats.claim() is Word.OPEN
    assert isinstance(seats.claim(), Shared)


def test_nobody_joins_one_who_may_need_it_alone():
    seats = Seats(1, max_waiting=1)
    in_use(seats, a_session())

    assert isinstance(seats.claim(), Waiter)


def test_who_wants_it_alone_does_not_join():
    seats = Seats(1, max_waiting=1)
    first, _ = in_use(seats, a_session())
    seats.settled(first, 0.0)

    assert isinstance(seats.claim(alone=True), Waiter)


@pytest.mark.parametrize(
    "session",
    [
        a_session(places=1),
        a_session(max_messages=1),
        a_session(max_age=5.0),
    ],
    ids=["no place", "used up", "too old"],
)
def test_a_session_that_is_to_go_takes_nobody_in(session):
    seats = Seats(1, max_waiting=1)
    first, _ = in_use(seats, session)
    seats.settled(first, 10.0)

    assert isinstance(seats.claim(), Waiter)


class SharingModel(RuleBasedStateMachine):
    """Loans come and go in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.seats = Seats(SIZE, max_waiting=50)
        self.loans: list[tuple[Pooled, object]] = []
        self.openers = 0
        self.waiters: list[Waiter] = []

    def take(self, grant: object) -> None:
        if grant is Word.OPEN:
            self.openers += 1
        elif isinstance(grant, Shared):
            self.loans.append((grant.pooled, grant.pooled.unsettled))
        elif isinstance(grant, Pooled):
            self.loans.append((grant, grant.unsettled))

    @rule(alone=st.booleans())
    def somebody_comes(self, alone: bool) -> None:
        claimed = self.seats.claim(alone=alone)
        if isinstance(claimed, Waiter):
            self.waiters.append(claimed)
        else:
            self.take(claimed)

    @precondition(lambda self: any(w.grant for w in self.waiters))
    @rule(uses=st.booleans())
    def somebody_wakes(self, uses: bool) -> None:
        waiter = next(w for w in self.waiters if w.grant)
        self.waiters.remove(waiter)
        if uses:
            self.take(self.seats.leave(waiter))
        else:
            self.seats.take_back(self.seats.leave(waiter))

    @precondition(lambda self: self.openers)
    @rule(works=st.booleans())
    def an_opening_ends(self, works: bool) -> None:
        self.openers -= 1
        if works:
            session = a_session()
            self.seats.opened(session)
            self.loans.append((session, session.unsettled))
        else:
            self.seats.opening_failed()

    @precondition(lambda self: self.loans)
    @rule(number=st.integers(0, 9))
    def one_settles(self, number: int) -> None:
        pooled, loan = self.loans[number % len(self.loans)]
        if pooled.unsettled is loan:
            self.seats.settled(pooled, 0.0)

    @precondition(lambda self: self.loans)
    @rule(number=st.integers(0, 9), sound=st.booleans())
    def one_comes_back(self, number: int, sound: bool) -> None:
        pooled, loan = self.loans.pop(number % len(self.loans))
        pooled.session.has_room = pooled.session.has_room and sound
        if self.seats.shared_back(pooled, loan, 0.0):
            return
        if pooled.session.has_room:
            self.seats.returned(pooled)
        else:
            self.seats.gone(pooled, CloseReason.ERROR)

    @invariant()
    def seats_are_never_more_than_there_are(self) -> None:
        assert self.seats.taken <= SIZE

    @invariant()
    def loans_are_counted_and_never_more_than_places(self) -> None:
        granted = [w.grant for w in self.waiters]
        for pooled in self.seats.in_use:
            held = sum(p is pooled for p, _ in self.loans)
            held += sum(g in (pooled, Shared(pooled)) for g in granted)
            assert held == pooled.loans <= PLACES

    @invariant()
    def what_nobody_has_is_idle_or_gone(self) -> None:
        for pooled in self.seats.idle:
            assert pooled.loans == 0
            assert all(p is not pooled for p, _ in self.loans)


TestSharing = SharingModel.TestCase
