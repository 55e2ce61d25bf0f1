"""Requests that mean the same have one fingerprint, however their octets come."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace

import pytest
from postroom_server.delivery.fingerprint import fingerprint
from postroom_server.domain.clock import Instant
from postroom_server.domain.draft import MailboxDraft
from postroom_server.domain.octets import StoredOctets
from postroom_server.domain.submission import Completion, Priority, Submission

from tests.support.mails import draft, file
from tests.support.raw_mails import mime, raw_draft

TEXT = "Dear Bob,\nhello.\n"
PART = "parts/a"


def blob(data: bytes) -> str:
    return f"blobs/{hashlib.sha256(data).hexdigest()}"


def of(message, part: bytes | None = None, **fields) -> bytes:
    parts = {} if part is None else {PART: StoredOctets.of(part)}
    return fingerprint(
        Submission(message=message, parts=parts, **fields), "relays/main"
    )


def with_file(**content):
    return draft(attachments=(file(**{"data": None, **content}),))


WAYS = {
    "a file": [
        of(with_file(data=b"octets")),
        of(with_file(data_base64=base64.b64encode(b"octets").decode())),
        of(with_file(blob=blob(b"octets"))),
        of(with_file(blob=PART), b"octets"),
    ],
    "a text": [
        of(draft(text=TEXT)),
        of(draft(text=None, text_blob=blob(TEXT.encode()))),
        of(draft(text=None, text_blob=PART), TEXT.encode()),
    ],
    "HTML": [
        of(draft(html=TEXT)),
        of(draft(html_blob=blob(TEXT.encode()))),
        of(draft(html_blob=PART), TEXT.encode()),
    ],
    "a raw mail": [
        of(raw_draft()),
        of(raw_draft(data=None, blob=blob(mime()))),
        of(raw_draft(data=None, blob=PART), mime()),
    ],
}


@pytest.mark.parametrize("prints", WAYS.values(), ids=WAYS)
def test_one_content_is_one_body_however_it_comes(prints):
    assert len(set(prints)) == 1


def test_the_name_of_a_part_means_nothing():
    other = Submission(
        message=with_file(blob="parts/other"),
        parts={"parts/other": StoredOctets.of(b"octets")},
    )

    assert fingerprint(other, "relays/main") == WAYS["a file"][0]


DIFFERENT = {
    "as it was": of(with_file(data=b"octets")),
    "other octets": of(with_file(data=b"Octets")),
    "another blob": of(with_file(blob=blob(b"others"))),
    "another part": of(with_file(blob=PART), b"more"),
    "another name": of(with_file(data=b"octets", filename="b")),
    "as the text": of(draft(text_blob=blob(b"octets"), text=None)),
    "as the HTML": of(draft(html_blob=blob(b"octets"))),
    "twice": of(draft(attachments=(file(data=b"octets"),) * 2)),
    "to another": of(replace(with_file(data=b"octets"), to=(MailboxDraft("x@y.example"),))),
    "a raw mail": of(raw_draft()),
    "other raw octets": of(raw_draft(mime("X: y"))),
    "raw to another": of(raw_draft(recipients=("x@y.example",))),
    "raw from another": of(raw_draft(envelope_from="x@y.example")),
    "without a wait": of(raw_draft(), completion=Completion.ACCEPTED),
    "later": of(raw_draft(), send_at=Instant(1)),
    "later still": of(raw_draft(), send_at=Instant(2)),
    "urgent": of(raw_draft(), priority=Priority.URGENT),
    "bulk": of(raw_draft(), priority=Priority.BULK),
    "tagged": of(raw_draft(), tags=("a",)),
}  # fmt: skip


def test_what_differs_is_another_body():
    assert len(set(DIFFERENT.values())) == len(DIFFERENT)


def test_defaults_are_what_they_mean():
    later = of(raw_draft(), send_at=Instant(1))

    assert of(raw_draft(), priority=Priority.NORMAL) == DIFFERENT["a raw mail"]
    assert of(raw_draft(), send_at=Instant(1), completion=Completion.ACCEPTED) == later
