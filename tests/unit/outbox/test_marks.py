"""Marks: what they say when they can be read, and when they can't."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom_server.domain.errors import NotReady
from postroom_server.outbox.ids import new_id
from postroom_server.outbox.marks import SLOTS, Marks

from tests.support.builders import NOW

BOOT = "0f1e2d3c-boot"
ID = new_id(NOW)


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "outbox.marks"


@contextmanager
def opened(path: Path, boot: str | None = BOOT):
    marks = Marks.open(path, boot)
    try:
        yield marks
    finally:
        marks.close()


def begun(path: Path) -> None:
    """A process that starts on a new file and has dealt with what was before."""
    with opened(path) as marks:
        marks.forget()


def test_what_was_marked_is_told_after_the_process(path):
    begun(path)
    with opened(path) as marks:
        marks.mark(ID, 7)
    with opened(path) as marks:
        found = marks.marked_at_open()

        assert marks.readable
        assert found == {(ID, 7)}
        assert marks.was_marked(ID, 7)
        assert not marks.was_marked(ID, 8)


def test_what_was_cleared_is_not_told(path):
    begun(path)
    with opened(path) as marks:
        marks.clear(marks.mark(ID, 7))
        marks.mark("other", 1)
    with opened(path) as marks:
        assert marks.marked_at_open() == {("other", 1)}


def test_what_an_earlier_process_left_stays_until_it_is_dealt_with(path):
    begun(path)
    with opened(path) as marks:
        marks.mark(ID, 7)
    with opened(path) as marks:
        marks.mark("other", 1)
    with opened(path) as marks:
        before = marks.marked_at_open()
        marks.forget()
    with opened(path) as marks:
        after = marks.marked_at_open()

    assert before == {(ID, 7), ("other", 1)}
    assert after == frozenset()


def test_forgetting_keeps_the_marks_of_this_process(path):
    begun(path)
    with opened(path) as marks:
        marks.mark(ID, 7)
        marks.forget()
        marks.mark("other", 1)
    with opened(path) as marks:
        assert marks.marked_at_open() == {(ID, 7), ("other", 1)}


@pytest.mark.parametrize("boot", ["another-boot", ""], ids=["other", "unknown"])
def test_marks_of_another_boot_cannot_be_read(path, boot):
    begun(path)
    with opened(path, boot) as marks:
        assert not marks.readable
        assert marks.was_marked(ID, 7)


def test_marks_cannot_be_read_where_boots_have_no_names(path):
    with opened(path, "") as marks:
        marks.forget()
    with opened(path, "") as marks:
        assert not marks.readable


def test_a_file_that_was_not_there_cannot_be_read(path):
    with opened(path) as marks:
        assert not marks.readable
        assert marks.was_marked(ID, 7)


def test_marks_are_not_readable_until_what_was_before_is_dealt_with(path):
    with opened(path) as marks:
        marks.mark(ID, 7)
    with opened(path) as marks:
        assert not marks.readable


def test_this_machine_names_its_boot(path):
    for _ in range(2):
        with opened(path, None) as marks:
            readable = marks.readable
            marks.forget()

    assert readable == Path("/proc/sys/kernel/random/boot_id").exists()


def test_a_mark_that_was_only_half_written_counts_for_nothing(path):
    """Its process died before it could write an end of data."""
    begun(path)
    with opened(path) as marks:
        slot = marks.mark(ID, 7)
    with path.open("r+b") as file:
        file.seek(slot * 64)
        file.write(b"\0")
        file.seek(slot * 64 + 30)
        file.write(b"half")
    with opened(path) as marks:
        assert marks.readable
        assert marks.marked_at_open() == frozenset()


@given(st.data())
def test_a_damaged_mark_makes_all_unreadable(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("marks") / "outbox.marks"
    begun(path)
    with opened(path) as marks:
        slot = marks.mark(ID, 7)
    at = data.draw(st.integers(4, 63)) + slot * 64
    whole = bytearray(path.read_bytes())
    whole[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)
    with opened(path) as marks:
        assert not marks.readable
        assert marks.was_marked("anything", 1)


@pytest.mark.parametrize("content", [b"", b"garbage", b"\xff" * 64 * (SLOTS + 1)])
def test_garbage_is_unreadable_and_can_be_started_anew(path, content):
    path.write_bytes(content)
    with opened(path) as marks:
        readable = marks.readable
        marks.forget()
        marks.mark(ID, 7)
    with opened(path) as marks:
        assert not readable
        assert marks.marked_at_open() == {(ID, 7)}


def test_slots_are_used_again_and_never_by_two(path):
    begun(path)
    together = threading.Barrier(8)

    def work(worker: int):
        together.wait(10)
        for version in range(200):
            slot = marks.mark(f"{worker}", version)
            held.add(slot)
            marks.clear(slot)
        return marks.mark(f"{worker}", 1000)

    with opened(path) as marks:
        held: set[int] = set()
        with ThreadPoolExecutor(8) as pool:
            slots = list(pool.map(work, range(8)))
    with opened(path) as marks:
        assert len(set(slots)) == 8
        assert marks.marked_at_open() == {(str(n), 1000) for n in range(8)}


def test_when_no_slot_is_left_nothing_may_be_sent(path):
    begun(path)
    with opened(path) as marks:
        slots = [marks.mark(ID, version) for version in range(SLOTS)]
        with pytest.raises(NotReady):
            marks.mark(ID, SLOTS)
        marks.clear(slots[0])

        assert marks.mark(ID, SLOTS) == slots[0]


def test_an_id_that_does_not_fit_is_refused_and_takes_no_slot(path):
    begun(path)
    with opened(path) as marks:
        with pytest.raises(ValueError, match="too long"):
            marks.mark("x" * 49, 1)
        for version in range(SLOTS):
            marks.mark("x" * 48, version)


def test_only_its_owner_may_read_the_file(path):
    begun(path)

    assert path.stat().st_mode & 0o777 == 0o600
