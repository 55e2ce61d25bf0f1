"""Purging and sweeping in the background."""

from __future__ import annotations

import pytest
from postroom_server.delivery.upkeep import Upkeep
from postroom_server.domain.errors import StoreFull
from postroom_server.outbox.store import Retention

from tests.support.clocks import FakeClock


class Store:
    """An outbox and its files; *turns* is what each purge answers."""

    def __init__(self, *turns: int | Exception) -> None:
        self.turns = list(turns)
        self.sweeps = 0

    def purge(self, _now: object, _retention: object) -> int:
        turn = self.turns.pop(0)
        if isinstance(turn, Exception):
            raise turn
        return turn

    def sweep(self) -> int:
        self.sweeps += 1
        return 3


def upkeep_of(store: Store) -> Upkeep:
    return Upkeep(store, store, FakeClock(), Retention(content=1, deliveries=1))


def test_it_purges_until_nothing_is_left_and_sweeps_once():
    store = Store(500, 20, 0)

    assert upkeep_of(store).run_once() == 523
    assert store.sweeps == 1


def test_files_are_swept_even_when_the_full_disk_keeps_the_store_from_purging():
    store = Store(StoreFull("full"))
    with pytest.raises(StoreFull):
        upkeep_of(store).run_once()

    assert store.sweeps == 1


@pytest.mark.parametrize("failure", [StoreFull("full"), ValueError("a defect")])
def test_what_is_done_besides_does_not_keep_it_from_purging(failure, logged):
    def fail():
        raise failure

    store = Store(20, 0)
    retention = Retention(content=1, deliveries=1)
    Upkeep(store, store, FakeClock(), retention, [fail]).turn()

    assert store.turns == []
    assert "upkeep.purged" in logged()


def test_a_defect_in_purging_does_not_end_it(logged):
    upkeep_of(Store(ValueError("a defect"))).turn()

    assert "upkeep.bug" in logged()
