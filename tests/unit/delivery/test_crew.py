"""Delivering threads: as many as there is work for at once, and no more than allowed."""

from __future__ import annotations

import threading

import pytest
from postroom_server.delivery.crew import Crew

PLENTY = 30.0


@pytest.fixture
def crew():
    crew = Crew(2, "crew")
    yield crew
    crew.close()


def names_of(crew, count):
    """Who did *count* pieces of work, one after the other."""
    names, done = [], threading.Semaphore(0)

    def work():
        names.append(threading.current_thread().name)
        done.release()

    for _ in range(count):
        crew.run(work)
        assert done.acquire(timeout=PLENTY)
    return names


def test_work_side_by_side_has_a_thread_each(crew):
    together, over = threading.Barrier(3), threading.Event()

    def work():
        together.wait(PLENTY)
        over.wait(PLENTY)

    crew.run(work)
    crew.run(work)
    together.wait(PLENTY)
    assert {t.name for t in threading.enumerate()} >= {"crew_0", "crew_1"}
    over.set()


def test_what_comes_while_all_are_busy_is_done_by_the_first_that_is_free(crew):
    over, late = threading.Event(), threading.Event()
    for _ in range(2):
        crew.run(lambda: over.wait(PLENTY))
    crew.run(late.set)
    assert not late.is_set()

    over.set()

    assert late.wait(PLENTY)
    assert not any(t.name == "crew_2" for t in threading.enumerate())


def test_no_more_threads_are_made_than_may_be(crew):
    assert set(names_of(crew, 20)) <= {"crew_0", "crew_1"}


@pytest.mark.parametrize("error", [ValueError, SystemExit])
def test_a_thread_outlives_a_defect_of_its_work(crew, error):
    def defect():
        raise error("a defect")

    crew.run(defect)
    crew.run(defect)

    assert set(names_of(crew, 3)) <= {"crew_0", "crew_1"}


def test_closing_waits_for_all_that_was_taken():
    crew, done = Crew(1, "crew"), []
    for number in range(5):
        crew.run(lambda number=number: done.append(number))
    crew.close()

    assert done == [0, 1, 2, 3, 4]
    with pytest.raises(RuntimeError, match="ended"):
        crew.run(list)


def test_where_no_further_thread_can_be_started_those_there_do_the_work(monkeypatch):
    def refuse(_thread):
        raise RuntimeError("can't start new thread")

    crew, over, done = Crew(2, "crew"), threading.Event(), threading.Event()
    crew.run(lambda: over.wait(PLENTY))
    monkeypatch.setattr(threading.Thread, "start", refuse)
    # Who was told that there is no thread would have had it done twice.
    crew.run(done.set)
    over.set()

    assert done.wait(PLENTY)
    crew.close()


def test_where_no_thread_can_be_started_who_brings_the_work_is_told(monkeypatch):
    def refuse(_thread):
        raise RuntimeError("can't start new thread")

    crew, done = Crew(2, "crew"), threading.Event()
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start"):
            crew.run(done.set)
    # It is done as soon as there is a thread.
    crew.run(list)

    assert done.wait(PLENTY)
    crew.close()
