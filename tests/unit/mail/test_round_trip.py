"""Composing: any valid mail reads as it was asked for (RFC 5322, RFC 2045-2047)."""

from __future__ import annotations

from email.message import EmailMessage

import pytest
from hypothesis import given
from postroom_server.mail.composer import Form

from tests.support.mails import (
    addresses_in,
    checked,
    composed,
    drafts,
    header_lines,
    header_names,
    reading,
)

pytestmark = pytest.mark.timeout(120)
LISTS = {"From": "from_mailbox", "Reply-To": "reply_to", "To": "to", "Cc": "cc"}


@given(drafts())
def test_headers_read_as_they_were_given(asked):
    content = bytes(composed(asked))
    parsed = reading(content)
    theirs = [
        (name, str(value)) for name, value in parsed.items() if name.startswith("X-O")
    ]

    assert parsed["Subject"] == asked.subject
    assert theirs == [(h.name, h.value) for h in asked.headers if h.name == "X-One"]


@given(drafts())
def test_addresses_read_as_they_were_given(asked):
    content = bytes(composed(asked))
    message = checked(asked).message

    for header, field in LISTS.items():
        assert_same_mailboxes(content, header, getattr(message, field))


def assert_same_mailboxes(content: bytes, header: str, value) -> None:
    mailboxes = value if isinstance(value, tuple) else (value,)
    if mailboxes:
        expected = [(m.name, m.address.shown) for m in mailboxes]

        assert addresses_in(content, header) == expected


@given(drafts())
def test_bodies_and_files_arrive(asked):
    parsed = reading(bytes(composed(asked)))

    alone = not parsed.is_multipart()

    assert text_of(parsed, "plain") == sent(asked.text, alone=alone)
    assert text_of(parsed, "html") == sent(asked.html, alone=alone)
    assert sorted(files_of(parsed)) == sorted(
        (a.filename, a.data, a.content_id) for a in asked.attachments
    )


def text_of(parsed: EmailMessage, kind: str) -> str | None:
    parts = [
        p
        for p in parsed.walk()
        if p.get_content_type() == f"text/{kind}" and not p.get_filename()
    ]
    if not parts:
        return None
    text = str(parts[0].get_payload(decode=True), "utf-8")
    # A text that is the whole mail may have gained its last line end.
    return text.removesuffix("\r\n") if parts[0] is parsed else text


def sent(text: str | None, *, alone: bool) -> str | None:
    if not text:
        return None
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")
    return lines.removesuffix("\r\n") if alone else lines


def files_of(parsed: EmailMessage) -> list[tuple[str, bytes, str]]:
    return [
        (
            p["Content-Disposition"].params["filename"],
            p.get_payload(decode=True),
            str(p["Content-ID"] or "")[1:-1],
        )
        for p in parsed.walk()
        if p["Content-Disposition"]
    ]


@pytest.mark.parametrize("form", Form)
@given(asked=drafts())
def test_the_bytes_are_7_bit_lines_and_nothing_else(form, asked):
    content = bytes(composed(asked, form))

    assert content.isascii()
    assert b"\0" not in content
    assert content.count(b"\r\n") == content.count(b"\r") == content.count(b"\n")
    assert max(map(len, content.split(b"\r\n"))) <= 998
    assert all(line.strip() for line in header_lines(content))


@given(drafts())
def test_header_names_are_those_that_were_composed(asked):
    names = header_names(bytes(composed(asked)))
    allowed = {"From", "Sender", "Reply-To", "To", "Cc", "Subject", "Date", "Message-ID",
               "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
               "List-Unsubscribe", "List-Unsubscribe-Post"}  # fmt: skip

    assert set(names) <= allowed | {h.name for h in asked.headers}
    assert [n for n in names if n not in allowed] == [h.name for h in asked.headers]
    assert all(names.count(name) <= 1 for name in allowed)


@given(drafts())
def test_no_part_has_defects(asked):
    parsed = reading(bytes(composed(asked)))

    assert [d for part in parsed.walk() for d in part.defects] == []
