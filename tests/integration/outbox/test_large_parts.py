"""Large octets of a request are a file and not part of the content's row."""

from __future__ import annotations

import os
import threading
from hashlib import sha256

import pytest
from postroom_server.domain.address import parse_address
from postroom_server.domain.errors import StoreFull
from postroom_server.domain.familiar import Familiar
from postroom_server.domain.message import RawMessage
from postroom_server.mail.composer import compose
from postroom_server.outbox import incoming, setting_aside
from postroom_server.outbox.setting_aside import LARGE
from postroom_server.outbox.store import Content

from tests.support.blobs import age, stored_files, sweep_all, upload
from tests.support.builders import a_new_delivery
from tests.support.mails import IDENTITY, file, message

PATIENCE = 10.0
BIG = os.urandom(LARGE)
LINES = b"From: a@example.com\r\n\r\n" + b"line\r\n" * (LARGE // 6)


def with_files(*data: bytes, **fields: str) -> Content:
    """A mail with attachments."""
    return Content(
        message(attachments=tuple(file(data=d, **fields) for d in data)), IDENTITY
    )


def raw(mime: bytes) -> Content:
    """A mail that its caller composed."""
    to = parse_address("bob@example.org")
    mail = RawMessage(
        mime=mime,
        envelope=(to,),
        authors=(to,),
        subject="",
        message_id="<1@example.com>",
        header_size=21,
    )
    return Content(mail, IDENTITY)


def accept(outbox, content: Content, **fields: str):
    change = a_new_delivery("bob@example.org", **fields)
    assert outbox.accept(change, content, None) is None
    return change.after


def in_rows(rows) -> int:
    """Octets of all contents in the database."""
    ((octets,),) = rows("SELECT sum(length(data)) FROM content")
    return octets


def inodes(path) -> set[int]:
    """What tells whether a file was written anew."""
    return {found.stat().st_ino for found in stored_files(path)}


def test_large_octets_are_a_file_and_small_ones_are_in_the_row(outbox, path, rows):
    accept(outbox, with_files(BIG, BIG[:-1]))

    assert [p.stat().st_size for p in stored_files(path)] == [LARGE]
    assert LARGE <= in_rows(rows) < LARGE + 2000


@pytest.mark.parametrize(
    "content",
    [
        with_files(BIG, b"small", BIG + b"x"),
        with_files(LINES, content_type="message/rfc822"),
        raw(LINES),
    ],
    ids=["files", "mail within mail", "raw"],
)
def test_what_is_read_back_is_sent_as_the_same_bytes(outbox, path, content):
    delivery = accept(outbox, content)

    read = outbox.content(delivery.id)

    assert stored_files(path)
    assert bytes(compose(read.message, IDENTITY)) == bytes(
        compose(content.message, IDENTITY)
    )


def test_the_same_octets_of_a_tenant_are_written_once(outbox, path):
    accept(outbox, with_files(BIG))
    first = inodes(path)

    accept(outbox, with_files(BIG))

    assert inodes(path) == first


def hashings(monkeypatch) -> list[int]:
    """The sizes of what is hashed from now on to find its file."""
    hashed: list[int] = []

    def noted(data: bytes):
        hashed.append(len(data))
        return sha256(data)

    monkeypatch.setattr(setting_aside, "sha256", noted)
    return hashed


def test_familiar_octets_are_hashed_once(outbox, path, monkeypatch):
    hashed = hashings(monkeypatch)
    leaflet = Familiar(BIG)

    for _ in range(3):
        accept(outbox, with_files(leaflet))

    assert hashed == [LARGE]
    assert [found.read_bytes() for found in stored_files(path)] == [BIG]


def test_other_octets_are_hashed_each_time(outbox, path, monkeypatch):
    hashed = hashings(monkeypatch)

    for _ in range(2):
        accept(outbox, with_files(BIG))

    assert hashed == [LARGE] * 2


def test_what_another_tenant_has_is_written_all_the_same(outbox, path):
    accept(outbox, with_files(BIG))
    first = inodes(path)

    accept(outbox, with_files(BIG), tenant="other")

    assert inodes(path) != first


def test_a_file_that_is_gone_is_written_again(outbox, path):
    accept(outbox, with_files(BIG))
    for found in stored_files(path):
        found.unlink()

    accept(outbox, with_files(BIG))

    assert [found.read_bytes() for found in stored_files(path)] == [BIG]


def test_mail_that_is_posted_brings_its_octets_first(outbox, path):
    assert post(outbox, with_files(BIG)) is None

    assert [found.read_bytes() for found in stored_files(path)] == [BIG]


def post(outbox, content: Content):
    """Begin to accept a mail, and wait for the end of it."""
    ended = threading.Event()
    accepting = outbox.begin_accept(
        a_new_delivery("bob@example.org"), content, None, lambda _: ended.set()
    )
    assert ended.wait(PATIENCE)
    return accepting.result()


def test_a_mail_that_does_not_fit_on_the_disk_is_refused(outbox, monkeypatch, rows):
    monkeypatch.setattr(incoming, "RESERVE", 1 << 60)

    with pytest.raises(StoreFull):
        accept(outbox, with_files(BIG))

    assert rows("SELECT count(*) FROM delivery") == [(0,)]
    accept(outbox, with_files(b"small"))


def test_octets_in_a_request_do_not_move_the_end_of_an_equal_blob(outbox, rows):
    upload(outbox.blobs, data=BIG)
    before = rows("SELECT expires_at FROM blob")

    accept(outbox, with_files(BIG))

    assert rows("SELECT expires_at FROM blob") == before


def test_the_file_is_kept_from_the_sweep_as_long_as_its_mail(outbox, path):
    delivery = accept(outbox, with_files(BIG))
    age(path)

    sweep_all(outbox.blobs)

    assert bytes(compose(outbox.content(delivery.id).message, IDENTITY))
