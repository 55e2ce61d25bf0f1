"""Composing: which headers, which structure, which sizes."""

from __future__ import annotations

import hashlib

import pytest
from postroom_server.domain.clock import Instant
from postroom_server.domain.draft import Disposition, Header, MailboxDraft
from postroom_server.mail.composer import (
    MAX_HEADER_BLOCK,
    Form,
    HeaderBlockTooLarge,
    compose,
)
from postroom_server.mail.headers import rfc5322_date
from postroom_server.mail.identity import new_identity

from tests.support.mails import (
    IDENTITY,
    composed,
    draft,
    file,
    header_names,
    message,
    raw,
    reading,
)

INLINE = file(
    filename="i.png",
    content_type="image/png",
    disposition=Disposition.INLINE,
    content_id="i@x",
)
BOXES = {
    name: (MailboxDraft(f"{name}@example.org"),)
    for name in ("reply_to", "to", "cc", "bcc")
}


def structure(content: bytes) -> str:
    def of(part) -> str:
        kind = part.get_content_subtype()
        if not part.is_multipart() or kind == "rfc822":
            return kind
        return f"{kind}({' '.join(map(of, part.iter_parts()))})"

    return of(reading(content))


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({}, "plain"),
        ({"text": None, "html": "<p>"}, "html"),
        ({"html": "<p>"}, "alternative(plain html)"),
        ({"attachments": (file(),)}, "mixed(plain octet-stream)"),
        ({"html": "<p>", "attachments": (file(), file())}, "mixed(alternative(plain html) octet-stream octet-stream)"),
        ({"text": None, "html": "<p>", "attachments": (INLINE,)}, "related(html png)"),
        ({"html": "<p>", "attachments": (INLINE,)}, "alternative(plain related(html png))"),
        ({"html": "<p>", "attachments": (file(), INLINE)}, "mixed(alternative(plain related(html png)) octet-stream)"),
        ({"text": None, "html": "<p>", "attachments": (INLINE, file())}, "mixed(related(html png) octet-stream)"),
    ],
)  # fmt: skip
def test_each_level_of_structure_is_there_where_it_is_needed(parts, expected):
    assert structure(raw(**parts)) == expected


def test_headers_stand_in_order_and_bcc_nowhere():
    content = raw(
        sender=MailboxDraft("eve@example.com"),
        headers=(Header("X-B", "1"), Header("X-A", "2"), Header("X-B", "3")),
        **BOXES,
    )

    assert header_names(content) == [
        "From", "Sender", "Reply-To", "To", "Cc", "Subject", "Date", "Message-ID",
        "X-B", "X-A", "X-B", "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
    ]  # fmt: skip
    assert b"bcc" not in content.lower()


def test_a_mail_to_bcc_alone_names_nobody():
    content = raw(to=(), bcc=BOXES["bcc"])

    assert not {"To", "Cc", "Bcc"} & set(header_names(content))


@pytest.mark.parametrize(
    ("sender", "shown"),
    [("ann@EXAMPLE.com", False), ("Ann@example.com", True), ("eve@example.com", True)],
)
def test_a_sender_that_equals_from_is_left_out(sender, shown):
    content = raw(sender=MailboxDraft(sender, "Somebody"))

    assert ("Sender" in header_names(content)) is shown


@pytest.mark.parametrize("form", Form)
def test_the_same_message_and_identity_give_the_same_bytes(form):
    whole = draft(
        html="<p>é", attachments=(file(), INLINE), to=(MailboxDraft("ü@example.com"),)
    )

    assert bytes(composed(whole, form)) == bytes(composed(whole, form))


def test_the_date_is_that_of_the_identity():
    assert (
        rfc5322_date(Instant(1_709_208_309_999_999))
        == "Thu, 29 Feb 2024 12:05:09 +0000"
    )


def test_an_identity_has_an_id_of_its_own_at_the_domain_of_from():
    asked = message(from_mailbox=MailboxDraft("ann@bücher.example"))
    now = Instant(7_000)
    identity = new_identity(asked, now, random=lambda n: b"\xab" * n)

    assert identity.message_id == f"<{'0' * 11}7{'ab' * 10}@xn--bcher-kva.example>"
    assert (identity.date_at, identity.boundary) == (now, "ab" * 16)
    assert new_identity(asked, Instant(7)) != new_identity(asked, Instant(7))


def test_a_given_message_id_stays():
    assert new_identity(message(), Instant(7), "<a@b>").message_id == "<a@b>"


def test_a_text_that_holds_the_boundary_gets_another():
    hostile = f"--=_{IDENTITY.boundary}_1--\r\n"
    derived = hashlib.sha256(IDENTITY.boundary.encode()).hexdigest()[:32]
    content = raw(text=hostile, html=f"<p>\n--=_{derived}_1\n")

    assert structure(content) == "alternative(plain html)"
    assert reading(content).get_body(("plain",)).get_content() == hostile


def test_mail_within_mail_is_not_encoded():
    inner = b"Subject: inner\r\n\r\nhello\r\n.\r\nFrom me\r\n"
    content = raw(attachments=(file(content_type="message/rfc822", data=inner),))

    assert b"\r\n\r\n" + inner + b"\r\n--=_" in content


def test_a_file_in_a_mail_has_its_id_and_its_place():
    parts = list(reading(raw(html="<p>", attachments=(INLINE, file()))).walk())
    files = [p for p in parts if p.get_filename()]

    assert [(p["Content-ID"], p.get_content_disposition()) for p in files] == [
        ("<i@x>", "inline"),
        (None, "attachment"),
    ]


def test_content_knows_its_size():
    content = composed(draft(attachments=(file(data=bytes(300_000)),)))
    whole = bytes(content)

    assert content.size == len(whole)
    assert content.header_size == whole.index(b"\r\n\r\n") + 2


def test_a_small_mail_is_one_chunk_and_a_large_one_is_not_copied_into_one():
    small = composed(draft(html="<p>" * 1000, attachments=(file(),)))
    large = composed(draft(attachments=(file(data=bytes(3_000_000)),)))

    assert len(small.chunks) == 1
    assert max(map(len, large.chunks)) < 100_000


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\r"])
@pytest.mark.parametrize("text", ["x", "é", "東京", ("x" * 5000)])
def test_a_mail_always_ends_in_crlf(text, ending):
    assert raw(text=text + ending).endswith(b"\r\n")


@pytest.mark.parametrize("excess", [-1, 0, 1])
def test_a_header_block_has_at_most_64_kib(excess):
    left = MAX_HEADER_BLOCK + excess - composed(draft()).header_size
    headers = []
    while left:
        size = min(left, 900) if left < 900 or left > 1000 else 500
        headers.append(Header("X", "x" * (size - len("X: \r\n"))))
        left -= size
    asked = draft(headers=tuple(headers))

    if excess > 0:
        with pytest.raises(HeaderBlockTooLarge):
            composed(asked)
    else:
        assert composed(asked).header_size == MAX_HEADER_BLOCK + excess


def test_composing_leaves_the_message_as_it_was():
    asked = message(html="<p>", attachments=(file(), INLINE))
    before = repr(asked)
    compose(asked, IDENTITY)

    assert repr(asked) == before
