"""The octets that a submission names are looked up, and what is wrong is told."""

from __future__ import annotations

import hashlib

import pytest
from postroom_server.delivery.contents import damage_told, look_up, parts_expected
from postroom_server.domain.clock import Instant
from postroom_server.domain.limits import Limits
from postroom_server.domain.octets import YET_TO_COME, DamagedOctets, StoredOctets
from postroom_server.domain.submission import Submission
from postroom_server.outbox.store import Blob

from tests.support.mails import draft, file
from tests.support.raw_mails import raw_draft

OCTETS = StoredOctets.of(b"octets")
NAME = f"blobs/{OCTETS.sha256}"
UNKNOWN = f"blobs/{hashlib.sha256(b'?').hexdigest()}"
LIMITS = Limits()


class OneBlob:
    """Knows a single blob, of the tenant "mine"."""

    def find(self, tenant, sha256):
        known = (tenant, sha256) == ("mine", OCTETS.sha256)
        return Blob(tenant, OCTETS, Instant(0)) if known else None


def a_submission(message, **fields):
    return Submission(message=message, tenant="mine", **fields)


def looked(submission, **fields):
    return look_up(submission, OneBlob(), LIMITS, **fields)


def test_a_blob_is_found():
    found = looked(a_submission(raw_draft(data=None, blob=NAME)))

    assert found.contents == {NAME: OCTETS}
    assert (found.problems, found.missing) == ((), "")


def test_another_tenants_blob_is_not_told_from_an_unknown_one():
    message = raw_draft(data=None, blob=NAME)
    theirs = looked(Submission(message=message, tenant="theirs"))
    nobodys = looked(a_submission(raw_draft(data=None, blob=UNKNOWN)))

    assert (theirs.missing, nobodys.missing) == (NAME, UNKNOWN)
    assert theirs.problems == nobodys.problems == ()


def test_a_part_is_what_came_with_the_call():
    submission = a_submission(draft(text_blob="parts/a"), parts={"parts/a": OCTETS})

    assert looked(submission).contents == {"parts/a": OCTETS}


@pytest.mark.parametrize("to_come", [False, True])
def test_a_part_that_did_not_come_is_a_problem_unless_it_will(to_come):
    found = looked(a_submission(draft(html_blob="parts/a")), to_come=to_come)

    assert [p.field for p in found.problems] == [] if to_come else ["message.html_blob"]
    assert found.contents["parts/a"] is YET_TO_COME


BAD_NAMES = [
    "",
    "a",
    "blobs/",
    f"blobs/{'0' * 63}",
    f"blobs/{'0' * 65}",
    f"blobs/{'A' * 64}",
    f"{NAME}\n",
    f"blobs/{'/' * 64}",
    f"blobs/{'.' * 64}",
    "parts/",
    "parts/../x",
    f"parts/{'a' * 65}",
    "parts/é",
    "Blobs/" + "0" * 64,
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_can_be_no_content_is_a_problem(name):
    found = looked(a_submission(draft(attachments=(file(data=None, blob=name),))))

    assert [p.field for p in found.problems] == ["message.attachments[0].blob"]
    assert found.missing == ""


def test_every_problem_of_a_draft_is_told():
    files = (file(data=None, blob="x"), file(), file(data=None, blob="parts/a"))
    message = draft(text_blob="y", html_blob=UNKNOWN, attachments=files)
    found = looked(a_submission(message))

    assert [p.field for p in found.problems] == [
        "message.text_blob",
        "message.attachments[0].blob",
        "message.attachments[2].blob",
    ]
    assert found.missing == UNKNOWN


def test_a_part_must_fit_the_smallest_place_that_names_it():
    message = draft(
        text_blob="parts/a",
        attachments=(file(blob="parts/a"), file(blob="parts/b"), file(blob=NAME)),
    )
    expected = parts_expected(a_submission(message), LIMITS)

    assert expected.each == dict.fromkeys(
        ("parts/a", "parts/b"), LIMITS.max_attachment_bytes
    )
    assert expected.together == LIMITS.max_message_bytes


@pytest.mark.parametrize("name", [NAME, "parts/a"])
def test_damage_is_told_by_the_name_in_the_request(name):
    damaged = DamagedOctets("changed", OCTETS.sha256)

    assert damage_told(damaged, {name: OCTETS}).name == name
