"""Which deliveries were past their point of no return when a process died.

Before a worker writes an end of data it marks its delivery here, in a file mapped into
memory: no flush, microseconds, and what was written survives the process, however it
ends (`kill -9`), because the pages are the kernel's.  They don't survive the machine;
so the file holds the name of the boot it was written in, and marks of another boot
can't be trusted.  Where marks can't be read everything counts as marked: we then say
that we don't know, and don't take for unsent what may have been delivered.

A slot is 64 octets: a flag, a checksum, the version and the id.  The flag is written
last and taken away first, each time as one octet; so a process that dies in between
leaves an empty slot, and it had not written an end of data.  A slot with the flag and
a wrong checksum was written by nobody: the file is damaged.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from postroom_server.domain.errors import NotReady

SLOTS = 4096
"""Attempts that may be past their end of data at the same time."""
_SIZE = 64
_LENGTH = (SLOTS + 1) * _SIZE
_FLAG = 0x4D
_CHECKSUM = struct.Struct("<I")
_BODY = struct.Struct("<Q48s")
_HEADER = struct.Struct("<16s48s")
_MAGIC = b"postroom marks 1"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

Mark = tuple[str, int]


class MarkKeeper(Protocol):
    """Marks, of one process alone or of those of a fleet."""

    def was_marked(self, delivery_id: str, version: int) -> bool:
        """Whether the end of data of an attempt that was left may be written."""

    def forget(self) -> None:
        """Drop what was left, when all of it has been dealt with."""

    def mark(self, delivery_id: str, version: int) -> int:
        """Mark what is past its point of no return; the slot to clear.

        Raises `NotReady` if no slot is left.
        """

    def clear(self, slot: int) -> None:
        """The attempt's end is stored; *slot* is free again."""


class Marks:
    """The marks of this process, and those that the one before left.

    Any thread may call.  One process may have the file open: the lock of the store
    that it stands beside sees to that, so open it after the store.
    """

    def __init__(self, area: mmap.mmap, boot: bytes) -> None:
        self._area = area
        self._boot = boot
        self._found = _found(area) if _is_of_boot(area, boot) else None
        self._mutex = threading.Lock()
        self._used: set[int] = set()
        self._free = [s for s in range(1, SLOTS + 1) if not area[s * _SIZE]]

    @classmethod
    def open(cls, path: Path, boot: str | None = None) -> Marks:
        """The marks in the file *path*, which is made if it is not there.

        *boot* names this run of the machine.  What an earlier process left stays in
        the file until `forget`.
        """
        named = _this_boot() if boot is None else boot
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(descriptor).st_size != _LENGTH:
                # Written now: on a full disk the first mark would be a signal.
                path.write_bytes(bytes(_LENGTH))
            area = mmap.mmap(descriptor, _LENGTH)
        finally:
            os.close(descriptor)
        return cls(area, named.encode())

    @property
    def readable(self) -> bool:
        """Whether the marks of the process before could be read."""
        return self._found is not None

    def marked_at_open(self) -> frozenset[Mark]:
        """Ids and versions that the process before had marked, where readable."""
        return self._found or frozenset()

    def was_marked(self, delivery_id: str, version: int) -> bool:
        """Whether the end of data of that attempt may have been written."""
        return self._found is None or (delivery_id, version) in self._found

    def forget(self) -> None:
        """Drop what the process before left, when all of it has been dealt with."""
        with self._mutex:
            every = set(range(1, SLOTS + 1))
            for slot in every - self._used:
                self._area[slot * _SIZE] = 0
            self._free = sorted(every - self._used, reverse=True)
            self._area[:_SIZE] = _HEADER.pack(_MAGIC, self._boot)

    def mark(self, delivery_id: str, version: int) -> int:
        """Mark what is past its point of no return from now on; the slot to clear.

        Raises `NotReady` if no slot is left.
        """
        named = delivery_id.encode()
        if len(named) > _BODY.size - 8:
            raise ValueError("the id is too long for a mark")
        body = _BODY.pack(version, named)
        slot = self._take()
        start = slot * _SIZE
        self._area[start + 4 : start + _SIZE] = _CHECKSUM.pack(zlib.crc32(body)) + body
        self._area[start] = _FLAG
        return slot

    def clear(self, slot: int) -> None:
        """The attempt's end is stored; *slot* is free again."""
        self._area[slot * _SIZE] = 0
        with self._mutex:
            self._used.discard(slot)
            self._free.append(slot)

    def close(self) -> None:
        """Let go of the file; marks that were not cleared stay in it."""
        self._area.close()

    def _take(self) -> int:
        with self._mutex:
            if not self._free:
                raise NotReady("too many mails are at the end of their data")
            slot = self._free.pop()
            self._used.add(slot)
            return slot


def marks_in_file(path: Path) -> frozenset[Mark] | None:
    """What is marked in the file *path*; None where that can't be trusted."""
    try:
        area = path.read_bytes()
    except OSError:
        return None
    whole = len(area) == _LENGTH and _is_of_boot(area, _this_boot().encode())
    return _found(area) if whole else None


def _is_of_boot(area: mmap.mmap | bytes, boot: bytes) -> bool:
    magic, written_in = _HEADER.unpack(area[:_SIZE])
    return bool(boot) and magic == _MAGIC and written_in.rstrip(b"\0") == boot


def _found(area: mmap.mmap | bytes) -> frozenset[Mark] | None:
    """The marks in *area*; None if one of them is damaged."""
    try:
        return frozenset(_marks_in(area))
    except ValueError:
        return None


def _marks_in(area: mmap.mmap | bytes) -> Iterator[Mark]:
    for start in range(_SIZE, _LENGTH, _SIZE):
        if not area[start]:
            continue
        (checksum,) = _CHECKSUM.unpack_from(area, start + 4)
        body = area[start + 8 : start + _SIZE]
        if area[start] != _FLAG or zlib.crc32(body) != checksum:
            raise ValueError("a slot is damaged")
        version, named = _BODY.unpack(body)
        yield named.rstrip(b"\0").decode(), version


def _this_boot() -> str:
    """What tells this run of the machine from others; empty where nothing does."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""
