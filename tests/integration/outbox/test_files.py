"""Large octets in files: whole or not there, and swept when nothing refers to them."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from postroom_server.domain.errors import NotReady, StoreFull
from postroom_server.domain.octets import DamagedOctets, StoredOctets, TooManyOctets
from postroom_server.outbox import incoming
from postroom_server.outbox.files import SHARDS, SHARDS_AT_ONCE, UNTOUCHED, Files

PATIENCE = 10.0
FDS = Path("/proc/self/fd")
DATA = b"many octets"
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "store.files"


@pytest.fixture
def files(folder) -> Files:
    return Files(folder)


def bring(files: Files, data: bytes = DATA) -> StoredOctets:
    with files.receive(len(data)) as arriving:
        for start in range(0, len(data), 4):
            arriving.write(data[start : start + 4])
        return arriving.keep()


def names(folder: Path) -> list[str]:
    """All files below *folder*."""
    return sorted(
        p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()
    )


def age(folder: Path, sha256: str = SHA256, seconds: float = UNTOUCHED + 60) -> None:
    """As if the file had not been touched for so long."""
    then = time.time() - seconds
    os.utime(folder / sha256[:2] / sha256, (then, then))


def unused(_sha256: str) -> bool:
    return False


def sweep_all(files: Files, is_used: Callable[[str], bool] = unused) -> int:
    return sum(files.sweep(is_used) for _ in range(SHARDS // SHARDS_AT_ONCE))


def test_what_was_kept_is_a_file_named_by_its_digest(files, folder):
    octets = bring(files)

    assert (octets.sha256, octets.size) == (SHA256, len(DATA))
    assert b"".join(octets.blocks()) == DATA
    assert names(folder) == [f"{SHA256[:2]}/{SHA256}"]


def test_the_same_octets_are_one_file(files, folder):
    assert bring(files) == bring(files)
    assert len(names(folder)) == 1


def test_what_is_brought_again_mends_a_damaged_file(files, folder):
    octets = bring(files)
    (folder / SHA256[:2] / SHA256).write_bytes(b"not octets!")
    with pytest.raises(DamagedOctets):
        list(octets.blocks())
    bring(files)

    assert b"".join(octets.blocks()) == DATA


def test_nobody_else_may_read_them(files, folder):
    bring(files)
    modes = {stat.S_IMODE(p.stat().st_mode) for p in folder.rglob("*") if p.is_file()}
    folders = {
        stat.S_IMODE(p.stat().st_mode)
        for p in (folder, *folder.rglob("*"))
        if p.is_dir()
    }

    assert (modes, folders) == ({0o600}, {0o700})


def test_what_was_not_kept_leaves_nothing(files, folder):
    with files.receive(100) as arriving:
        arriving.write(DATA)

    assert names(folder) == []


def test_what_failed_on_its_way_leaves_nothing(files, folder):
    def fails():
        with files.receive(100) as arriving:
            arriving.write(DATA)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()

    assert names(folder) == []


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_no_more_is_taken_than_allowed(files, folder, extra):
    with files.receive(len(DATA)) as arriving:
        arriving.write(b"x" * (len(DATA) - 2))
        if extra > 0:
            with pytest.raises(TooManyOctets):
                arriving.write(b"x" * (2 + extra))
        else:
            arriving.write(b"x" * (2 + extra))

    assert names(folder) == []


def test_a_start_removes_what_a_process_left_on_its_way(files, folder):
    bring(files)
    (folder / "incoming" / "left").write_bytes(b"half")
    Files(folder)

    assert names(folder) == [f"{SHA256[:2]}/{SHA256}"]


def test_what_rests_is_kept_without_a_descriptor(files):
    with files.receive(100) as arriving:
        arriving.write(DATA)
        before = len(list(FDS.iterdir()))
        arriving.rest()

        assert len(list(FDS.iterdir())) == before - 1
        assert b"".join(arriving.keep().blocks()) == DATA


ERRORS = [
    (errno.ENOSPC, StoreFull),
    (errno.EDQUOT, StoreFull),
    (errno.EIO, NotReady),
    (errno.EROFS, NotReady),
]


@pytest.mark.parametrize("call", ["write", "fsync", "open", "utime"])
@pytest.mark.parametrize(
    ("code", "error"), ERRORS, ids=[errno.errorcode[c] for c, _ in ERRORS]
)
def test_a_disk_that_fails_is_told_and_nothing_is_left(
    files, folder, monkeypatch, call, code, error
):
    def fails(*_args, **_fields):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(incoming.os, call, fails)
    with pytest.raises(error):
        bring(files)
    monkeypatch.undo()

    assert names(folder) == []


def test_a_short_write_is_gone_on_with(files, monkeypatch):
    write = os.write
    monkeypatch.setattr(incoming.os, "write", lambda file, data: write(file, data[:1]))

    assert b"".join(bring(files).blocks()) == DATA


@pytest.mark.parametrize("extra", [-1, 0])
def test_some_of_the_disk_is_left_to_the_store(files, folder, monkeypatch, extra):
    free = incoming.RESERVE + extra

    class Disk:
        f_bavail, f_frsize = free, 1

    monkeypatch.setattr(incoming.os, "fstatvfs", lambda _: Disk)
    if extra < 0:
        with pytest.raises(StoreFull):
            bring(files)
        assert names(folder) == []
    else:
        assert bring(files).size == len(DATA)


def test_a_file_has_its_name_when_it_is_flushed_and_not_before(
    files, folder, monkeypatch
):
    """After a crash of the machine, what has a name must be whole."""
    done = []
    fsync, replace = os.fsync, Path.replace

    def flush(descriptor):
        done.append(str((FDS / str(descriptor)).readlink()).replace(str(folder), ""))
        fsync(descriptor)

    def rename(path, target):
        done.append("renamed")
        return replace(path, target)

    monkeypatch.setattr(incoming.os, "fsync", flush)
    monkeypatch.setattr(Path, "replace", rename)
    bring(files)

    assert done[0].startswith("/incoming/")
    assert done[1:] == ["renamed", f"/{SHA256[:2]}", ""]


def test_sweeping_removes_what_is_old_and_unused(files, folder):
    bring(files)
    age(folder)

    assert sweep_all(files) == 1
    assert names(folder) == []


def test_sweeping_spares_what_is_used(files, folder):
    bring(files)
    age(folder)

    assert sweep_all(files, SHA256.__eq__) == 0
    assert len(names(folder)) == 1


def test_sweeping_spares_what_is_young(files, folder):
    bring(files)
    age(folder, seconds=UNTOUCHED - 60)

    assert sweep_all(files) == 0


def test_sweeping_spares_what_was_brought_again(files, folder):
    bring(files)
    age(folder)
    bring(files)

    assert sweep_all(files) == 0


def test_sweeping_spares_what_was_looked_up(files, folder):
    octets = bring(files)
    age(folder)

    assert files.touch(octets)
    assert sweep_all(files) == 0


def test_sweeping_spares_what_is_on_its_way(files, folder):
    with files.receive(100) as arriving:
        arriving.write(DATA)
        for left in (folder / "incoming").iterdir():
            os.utime(left, (0, 0))
        sweep_all(files)
        octets = arriving.keep()

    assert b"".join(octets.blocks()) == DATA
    assert sweep_all(files) == 0


def test_garbage_is_gone_within_32_turns(files, folder):
    for number in range(300):
        octets = bring(files, str(number).encode())
        age(folder, octets.sha256)

    assert sweep_all(files) == 300
    assert names(folder) == []


def test_what_is_brought_while_it_is_swept_stays(files, folder):
    """Between the judgement of an old file and its end, somebody brings it anew."""
    bring(files)
    age(folder)
    judged, brought = threading.Event(), threading.Event()
    looks = []

    def is_used(sha256):
        looks.append(sha256)
        if len(looks) == 1:
            judged.set()
            assert brought.wait(PATIENCE)
        return False

    def again():
        assert judged.wait(PATIENCE)
        bring(files)
        brought.set()

    other = threading.Thread(target=again, name="brings-again")
    other.start()
    swept = sweep_all(files, is_used)
    other.join(PATIENCE)

    assert looks
    assert swept == 0
    assert len(names(folder)) == 1


def test_who_brings_or_looks_up_waits_for_a_removal_under_way(files, folder):
    """At the last look nobody may get the file that goes."""
    octets = bring(files)
    age(folder)
    looks, answers = [], []
    other = threading.Thread(
        target=lambda: answers.append(files.touch(octets)), name="touches"
    )

    def is_used(sha256):
        looks.append(sha256)
        if len(looks) == 2:
            other.start()
            # It can't come in before the file is gone.
            other.join(0.05)
        return False

    assert sweep_all(files, is_used) == 1
    other.join(PATIENCE)
    assert answers == [False]


def test_a_file_of_another_size_counts_as_gone(files, folder):
    octets = bring(files)
    (folder / SHA256[:2] / SHA256).write_bytes(DATA[:-1])

    assert not files.touch(octets)


def test_a_missing_file_counts_as_gone(files):
    assert not files.touch(StoredOctets.of(b"never brought"))


def test_a_folder_that_cannot_be_read_is_told(files, folder, monkeypatch):
    bring(files)

    def fails(_path):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(Path, "iterdir", fails)
    with pytest.raises(NotReady):
        sweep_all(files)


def test_a_folder_that_cannot_be_made_ends_the_start(tmp_path):
    (tmp_path / "store.files").write_text("in the way")

    with pytest.raises(OSError, match=r"store\.files"):
        Files(tmp_path / "store.files")


def test_the_name_of_a_folder_is_flushed_once(files, folder, monkeypatch):
    flushed = []
    monkeypatch.setattr(incoming, "flush_folder", flushed.append)
    shard = folder / SHA256[:2]

    bring(files)
    bring(files)
    (shard / SHA256).unlink()
    shard.rmdir()
    bring(files)

    assert flushed == [shard, folder, shard, shard, folder]
