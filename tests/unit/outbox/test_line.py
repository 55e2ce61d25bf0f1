"""The line of callers in front of the one thread that writes."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from postroom_server.domain.errors import NotReady, Overloaded
from postroom_server.outbox.waiting import Haste, Line, LineSettings, Rest, Ticket
from postroom_server.outbox.work import Outcome, Work

from tests.support.clocks import FakeClock

PATIENT = LineSettings()
HASTY = LineSettings(patience=0.0)


class Task(Work[str]):
    def __init__(self, size: int = 0, *, adds: bool = False) -> None:
        super().__init__()
        self.size = size
        self.adds = adds
        self.takes_back = Work()

    def undone(self, result):
        return [self.takes_back]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def pool():
    with ThreadPoolExecutor(16) as threads:
        yield threads


def stand(line: Line, pool: ThreadPoolExecutor, *tasks: Task) -> list:
    """Let callers join one after the other; their futures."""
    futures = []
    for count, task in enumerate(tasks, start=len(line) + 1):
        futures.append(pool.submit(line.stand, task))
        while len(line) < count:
            assert not futures[-1].done(), futures[-1].result()
    return futures


def test_each_caller_gets_its_own_outcome(clock, pool):
    line = Line(clock, PATIENT)
    futures = stand(line, pool, Task(), Task(), Task())
    batch = line.take(10.0)
    line.end(batch, [Outcome("a"), Outcome(error=KeyError("b")), Outcome("c")])

    assert futures[0].result(10) == "a"
    assert isinstance(futures[1].exception(10), KeyError)
    assert futures[2].result(10) == "c"


def test_a_batch_is_whoever_waits_in_the_order_they_came(clock, pool):
    line = Line(clock, PATIENT)
    tasks = [Task() for _ in range(5)]
    stand(line, pool, *tasks)
    batch = line.take(10.0)
    line.end(batch, [Outcome("") for _ in batch])

    assert [ticket.work for ticket in batch] == tasks


@pytest.mark.parametrize(
    ("settings", "sizes", "taken"),
    [
        (LineSettings(batch_works=2), [1, 1, 1], 2),
        (LineSettings(batch_bytes=10), [5, 5, 1], 2),
        (LineSettings(batch_bytes=10), [5, 6, 1], 1),
        (LineSettings(batch_bytes=10), [99, 1], 1),
    ],
)
def test_a_batch_is_bounded_and_never_empty(clock, pool, settings, sizes, taken):
    line = Line(clock, settings)
    stand(line, pool, *map(Task, sizes))
    batch = line.take(10.0)
    rest = line.take(10.0)
    for part in (batch, rest):
        line.end(part, [Outcome("") for _ in part])

    assert len(batch) == taken


def test_new_work_is_refused_when_too_many_wait_and_the_rest_is_not(clock, pool):
    line = Line(clock, LineSettings(most_waiting=1))
    stand(line, pool, Task())
    with pytest.raises(Overloaded) as refusal:
        line.stand(Task(adds=True))
    stand(line, pool, Task())
    batch = line.take(10.0)
    line.end(batch, [Outcome("") for _ in batch])

    assert refusal.value.retry_after > 0
    assert len(batch) == 2


@pytest.mark.parametrize(("waited", "refused"), [(2.0, False), (2.1, True)])
def test_new_work_is_refused_when_the_first_waits_too_long(
    clock, pool, waited, refused
):
    line = Line(clock, replace(PATIENT, longest_wait=2.0))
    stand(line, pool, Task())
    clock.advance(waited)
    newcomer = pool.submit(line.stand, Task(adds=True))
    while not newcomer.done() and len(line) < 2:
        pass
    was_refused = newcomer.done()
    batch = line.take(10.0)
    line.end(batch, [Outcome("") for _ in batch])

    assert was_refused == refused
    assert isinstance(newcomer.exception(10), Overloaded) == refused


def test_who_runs_out_of_patience_before_the_commit_is_out_of_the_line(clock):
    line = Line(clock, HASTY)
    with pytest.raises(NotReady, match="nothing was stored"):
        line.stand(Task())

    assert len(line) == 0
    assert line.take(0.0) == []


class Quick(Line):
    """A commit begins with whoever joins, however short their patience is."""

    def join(self, ticket: Ticket, *, in_time: bool = False) -> None:
        super().join(ticket, in_time=in_time)
        self.begun = self.take(0.0)


def test_what_was_stored_for_nobody_is_to_be_taken_back(clock):
    line = Quick(clock, HASTY)
    task = Task()
    with pytest.raises(NotReady, match="does not answer"):
        line.stand(task)

    assert line.end(line.begun, [Outcome("stored")]) == [task.takes_back]


def test_what_was_not_stored_for_nobody_needs_no_taking_back(clock):
    line = Quick(clock, HASTY)
    with pytest.raises(NotReady, match="does not answer"):
        line.stand(Task())

    assert line.end(line.begun, [Outcome(error=NotReady("away"))]) == []


def test_a_closed_line_lets_nobody_in_and_serves_who_is_in(clock, pool):
    line = Line(clock, PATIENT)
    (future,) = stand(line, pool, Task())
    line.close()
    with pytest.raises(NotReady):
        line.stand(Task())
    batch = line.take(10.0)
    line.end(batch, [Outcome("served")])

    assert future.result(10) == "served"
    assert line.take(10.0) is None


def test_taking_from_an_empty_line_ends_when_it_is_closed(clock, pool):
    line = Line(clock, PATIENT)
    taking = pool.submit(line.take, None)
    line.close()

    assert taking.result(10) is None


@pytest.mark.parametrize("patience", [0.001, 0.0, -5.0])
def test_a_caller_with_less_time_waits_no_longer(clock, patience):
    line = Line(clock, PATIENT)

    with pytest.raises(NotReady, match="nothing was stored"):
        line.stand(Task(), patience)

    assert len(line) == 0


class LateComer:
    """The lock that who takes idles at; somebody comes as their time is over."""

    def __init__(self, lock: threading.Lock, comes) -> None:
        self._lock = lock
        self._comes = comes

    def acquire(self, timeout: float = -1) -> bool:
        if timeout < 0:
            return self._lock.acquire(timeout=10)
        self._comes()
        return False

    def release(self) -> None:
        self._lock.release()


def test_who_comes_as_the_pause_ends_is_taken_and_wakes_nobody_twice(clock):
    line = Line(clock, PATIENT)
    wake = line._wake
    ticket = Ticket(Task())
    line._wake = LateComer(wake, lambda: line.join(ticket))

    assert line.take(1.0) == [ticket]
    assert wake.locked()


def test_a_caller_wakes_who_takes(clock, pool):
    line = Line(clock, PATIENT)
    for _ in range(3):
        taken = pool.submit(line.take, None)
        ticket = Ticket(Task())
        line.join(ticket)

        assert taken.result(10) == [ticket]


def test_what_is_added_meanwhile_is_taken_with_what_lined_up(clock, pool):
    line = Line(clock, PATIENT)
    taken = pool.submit(line.take, 30.0)
    await_rest(line, Rest.IDLE)
    first = Ticket(Task())
    line.join(first, in_time=True)
    idle = line._rest is Rest.IDLE
    pool.submit(line.stand, Task())
    batch = taken.result(10)
    line.end(batch[1:], [Outcome("stored")])

    assert (idle, len(batch)) == (True, 2)
    assert batch[0] is first


def test_what_came_in_time_is_taken_when_it_is_called_for(clock, pool):
    line = Line(clock, PATIENT)
    taken = pool.submit(line.take, 30.0)
    await_rest(line, Rest.IDLE)
    ticket = Ticket(Task())
    line.join(ticket, in_time=True)
    idle = line._rest is Rest.IDLE
    line.rouse()

    assert idle
    assert taken.result(10) == [ticket]


def await_rest(line, rest):
    """Wait until who takes rests like that."""
    pause = threading.Event()
    for _ in range(1000):
        if line._rest is rest:
            return
        pause.wait(0.01)
    raise AssertionError("nobody takes")


SLOW = LineSettings(gathering=20.0, company=4)


def a_ticket(haste: Haste) -> Ticket:
    return Ticket(Task(), haste)


def busy() -> bool:
    return True


def gathering(clock, pool, *, first=Haste.PATIENT):
    """A line whose taker waits for company for two tickets, and what it takes."""
    line = Line(clock, SLOW, busy)
    line.join(a_ticket(first))
    line.join(a_ticket(Haste.PATIENT))
    taken = pool.submit(line.take, None)
    await_rest(line, Rest.GATHERING)
    return line, taken


@pytest.mark.parametrize("first", [Haste.PATIENT, Haste.NEUTRAL])
def test_patient_work_waits_until_there_is_enough_of_it(clock, pool, first):
    line, taken = gathering(clock, pool, first=first)
    line.rouse()
    line.join(a_ticket(Haste.PATIENT))
    waited = line._rest is Rest.GATHERING
    line.join(a_ticket(Haste.PATIENT))

    assert waited
    assert len(taken.result(10)) == SLOW.company


def test_work_that_waits_for_none_takes_patient_work_along(clock, pool):
    line, taken = gathering(clock, pool)
    line.join(a_ticket(Haste.URGENT))

    assert len(taken.result(10)) == 3


def test_what_comes_in_time_does_not_end_a_wait_for_company(clock, pool):
    line = Line(clock, SLOW, busy)
    line.join(a_ticket(Haste.PATIENT))
    taken = pool.submit(line.take, None)
    await_rest(line, Rest.GATHERING)
    line.join(a_ticket(Haste.NEUTRAL), in_time=True)
    line.join(a_ticket(Haste.PATIENT))
    waits = line._rest is Rest.GATHERING
    line.join(a_ticket(Haste.PATIENT))

    assert waits
    assert len(taken.result(10)) == 4


def test_patient_work_waits_for_company_no_longer_than_is_set(clock):
    line = Line(clock, replace(SLOW, gathering=0.001), busy)
    line.join(a_ticket(Haste.PATIENT))

    assert len(line.take(None)) == 1


def test_who_comes_as_the_gathering_ends_is_taken_and_wakes_nobody_twice(clock):
    line = Line(clock, replace(SLOW, gathering=0.001), busy)
    wake = line._wake
    line.join(a_ticket(Haste.PATIENT))
    line._wake = LateComer(wake, lambda: line.join(a_ticket(Haste.URGENT)))

    assert len(line.take(None)) == 2
    assert wake.locked()


def test_a_line_that_closes_waits_for_no_company(clock, pool):
    line, taken = gathering(clock, pool)
    line.close()

    assert len(taken.result(10)) == 2
    assert line.take(None) is None


@pytest.mark.parametrize("haste", [Haste.URGENT, Haste.NEUTRAL])
def test_work_that_does_not_ask_for_it_waits_for_no_company(clock, pool, haste):
    line = Line(clock, SLOW, busy)
    line.join(a_ticket(haste))

    assert len(pool.submit(line.take, None).result(10)) == 1


def test_what_patient_work_left_behind_waits_for_no_company(clock, pool):
    line = Line(clock, SLOW, busy)
    patient, record = a_ticket(Haste.PATIENT), a_ticket(Haste.NEUTRAL)
    for ticket in (patient, record):
        line.join(ticket)
    with pytest.raises(NotReady):
        line.leave(patient)

    assert pool.submit(line.take, None).result(10) == [record]


def test_patient_work_waits_for_nothing_where_the_processor_is_free(clock, pool):
    line = Line(clock, SLOW)
    line.join(a_ticket(Haste.PATIENT))

    assert len(pool.submit(line.take, None).result(10)) == 1
