"""Marks of several processes: those of the dead are believed."""

from __future__ import annotations

import pytest
from postroom_server.outbox.errors import StoreUnusableError
from postroom_server.outbox.marks_folder import MarksFolder

MARKED, UNMARKED = ("01a2", 7), ("01a2", 8)
DEAD, LIVE = "dead", "live"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "marks"


@pytest.fixture
def folder(path) -> MarksFolder:
    """With what a process left that ended past an end of data."""
    folder = MarksFolder(path)
    with folder.own(DEAD) as marks:
        marks.mark(*MARKED)
    return folder


def files(path) -> set[str]:
    return {file.name for file in path.iterdir()}


def test_what_a_dead_process_marked_is_told_by_another(folder, path):
    other = MarksFolder(path)

    assert other.was_marked(DEAD, MARKED)
    assert not other.was_marked(DEAD, UNMARKED)


def test_a_process_that_lives_is_not_believed(folder):
    with folder.own(LIVE):
        assert folder.was_marked(LIVE, UNMARKED)


@pytest.mark.parametrize("name", ["unknown", "", "../marks/dead", "dead.marks"])
def test_a_process_that_left_nothing_here_is_not_believed(folder, name):
    assert folder.was_marked(name, UNMARKED)


def test_a_damaged_file_is_not_believed(folder, path):
    (path / "dead.marks").write_bytes(b"\xaa" * 4096)

    assert folder.was_marked(DEAD, UNMARKED)


def test_marks_of_another_run_of_the_machine_are_not_believed(folder, path):
    file = path / "dead.marks"
    octets = bytearray(file.read_bytes())
    octets[20:24] = b"else"
    file.write_bytes(octets)

    assert folder.was_marked(DEAD, UNMARKED)


def test_a_process_that_left_nothing_marked_leaves_no_file(folder, path):
    with folder.own(LIVE) as marks:
        marks.clear(marks.mark(*MARKED))

    assert files(path) == {"dead.marks"}


def test_what_is_needed_no_more_is_swept_but_not_of_those_that_live(folder, path):
    with folder.own(LIVE):
        assert folder.sweep({DEAD}) == 0
        assert folder.sweep(()) == 1
        assert files(path) == {"live.marks"}


def test_a_folder_that_others_can_write_to_is_refused(path):
    path.mkdir()
    path.chmod(0o777)
    with pytest.raises(StoreUnusableError, match="open to others"):
        MarksFolder(path)


def test_what_is_no_folder_is_refused(path, tmp_path):
    path.symlink_to(tmp_path)
    with pytest.raises(StoreUnusableError, match="not a folder of ours"):
        MarksFolder(path)


def test_the_folder_is_for_its_owner_alone(folder, path):
    assert path.stat().st_mode & 0o777 == 0o700
    assert (path / "dead.marks").stat().st_mode & 0o777 == 0o600
