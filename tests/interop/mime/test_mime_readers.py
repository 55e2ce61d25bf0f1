"""Readers of other languages find in a composed mail what was asked for."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from postroom_server.domain.draft import Disposition, MessageDraft

from tests.support.mails import checked

pytestmark = [pytest.mark.interop, pytest.mark.timeout(600)]
FIELDS = ("from", "to", "cc", "reply_to")


@pytest.fixture(scope="module", params=["mailparser", "go_mail"])
def pairs(request, asked, mails) -> list[tuple[MessageDraft, dict[str, Any]]]:
    """What was asked for, and what the reader found."""
    read = request.getfixturevalue(request.param)
    return list(zip(asked, read(mails), strict=True))


def test_subjects_agree(pairs):
    assert (
        wrong(
            pairs, lambda asked: spaced(asked.subject), lambda r: spaced(r["subject"])
        )
        == []
    )


@pytest.mark.parametrize("field", FIELDS)
def test_mailboxes_agree(pairs, field):
    def expected(asked: MessageDraft) -> list[list[str]]:
        value = getattr(
            checked(asked).message, "from_mailbox" if field == "from" else field
        )
        boxes = value if isinstance(value, tuple) else (value,)
        return [[spaced(m.name), bare(m.address.shown)] for m in boxes]

    def found(read: dict[str, Any]) -> list[list[str]]:
        return [[spaced(name), bare(address)] for name, address in read[field]]

    assert wrong(pairs, expected, found) == []


@pytest.mark.parametrize("kind", ["text", "html"])
def test_bodies_agree(pairs, kind):
    def expected(asked: MessageDraft) -> str | None:
        return lines(getattr(asked, kind))

    assert wrong(pairs, expected, lambda read: lines(read[kind])) == []


def test_files_agree(pairs):
    def expected(asked: MessageDraft) -> list[list[str]]:
        return sorted(
            [
                spaced(file.filename),
                file.content_type.partition(";")[0],
                f"<{file.content_id}>" if file.content_id else "",
                "inline" if file.disposition is Disposition.INLINE else "attachment",
                hashlib.sha256(file.data or b"").hexdigest(),
            ]
            for file in asked.attachments
        )

    def found(read: dict[str, Any]) -> list[list[str]]:
        return sorted([spaced(name), *rest] for name, *rest in read["files"])

    assert wrong(pairs, expected, found) == []


def test_own_headers_agree(pairs):
    def expected(asked: MessageDraft) -> list[str]:
        return [spaced(h.value) for h in asked.headers if h.name == "X-One"]

    if "own" not in pairs[0][1]:
        names = [read["names"].count("x-one") for _, read in pairs]

        assert names == [len(expected(asked)) for asked, _ in pairs]
    else:
        assert wrong(pairs, expected, lambda r: [spaced(v) for v in r["own"]]) == []


def wrong(pairs, expected, found) -> list[tuple[int, Any, Any]]:
    """Number, expected and found of the mails where the two differ."""
    both = ((i, expected(asked), found(read)) for i, (asked, read) in enumerate(pairs))
    return [(i, want, got) for i, want, got in both if want != got]


def spaced(text: str | None) -> str:
    """*text* as these readers keep it: white space at its ends is theirs to take."""
    return (text or "").strip()


def bare(address: str) -> str:
    """*address* without quotes; mailparser shows an A-label as what it stands for."""
    plain = address.replace('"', "").replace("\\", "")
    return plain.replace("bücher", "xn--bcher-kva")


def lines(text: str | None) -> str | None:
    """*text* with one kind of line end, and none at its end."""
    if not text:
        return None
    return text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n") or None
