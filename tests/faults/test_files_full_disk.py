"""A disk that is really full: a small one of its own, where one can be made."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from postroom_server.domain.clock import Instant
from postroom_server.domain.errors import StoreFull
from postroom_server.domain.limits import MB
from postroom_server.outbox import incoming
from postroom_server.outbox.sqlite import SqliteOutbox
from postroom_server.outbox.store import Retention

from tests.support.blobs import DATA, age, bring, stored_files, sweep_all, upload
from tests.support.builders import (
    DAY,
    NOW,
    a_content,
    a_finish,
    a_new_delivery,
)
from tests.support.clocks import FakeClock

KEEP = Retention(content=1.0, deliveries=1.0)


@pytest.fixture
def disk(tmp_path) -> Iterator[Path]:
    """A disk of 8 MB."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", tmp_path],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("a disk of its own needs the rights to mount one")
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", "-l", tmp_path], check=True)


@pytest.fixture
def outbox(disk, monkeypatch) -> Iterator[SqliteOutbox]:
    # The disk is smaller than what is left free of a real one.
    monkeypatch.setattr(incoming, "RESERVE", 0)
    opened = SqliteOutbox.open(disk / "outbox.db", clock=FakeClock(NOW))
    with closing(opened) as outbox:
        yield outbox


def fill(outbox: SqliteOutbox) -> int:
    """Bring files until no more fit; how many did."""
    for number in range(100):
        try:
            bring(outbox.blobs, os.urandom(MB // 2) + bytes([number]))
        except StoreFull:
            return number
    raise AssertionError("the disk is never full")


def test_what_does_not_fit_is_refused_and_leaves_nothing(outbox, disk):
    brought = fill(outbox)

    assert 0 < brought < 20
    assert len(stored_files(disk / "outbox.db")) == brought


def test_it_gets_well_by_itself_when_the_garbage_is_old(outbox, disk):
    brought = fill(outbox)
    age(disk / "outbox.db")

    assert sweep_all(outbox.blobs) == brought
    assert upload(outbox.blobs).octets.size == len(DATA)
    assert outbox.accept(a_new_delivery(), a_content(), None) is None


def test_mail_goes_on_while_uploads_leave_room_for_it(outbox, disk, monkeypatch):
    """What uploads may not take is enough to record what becomes of mail."""
    monkeypatch.setattr(incoming, "RESERVE", 4 * MB)
    change = a_new_delivery(leased=True)
    outbox.accept(change, a_content(), None)
    fill(outbox)

    assert outbox.save(a_finish(change.after))
    assert outbox.purge(Instant(NOW + DAY), KEEP)
