"""Validation: which fields are refused, and where the problem is said to be."""

from __future__ import annotations

import pytest
from postroom_server.domain.draft import Disposition, Header, MailboxDraft
from postroom_server.domain.validation_problems import PROBLEMS_KEPT

from tests.support.mails import checked, draft, file, problems

BOB = MailboxDraft("bob@example.org")
BAD = MailboxDraft("bob")
CONTROLS = [*(chr(c) for c in range(32) if c != 9), "\x7f", "\x85", "\u2028", "\u2029"]
LONG = "x" * 5000


def test_a_plain_mail_has_no_problems():
    assert problems(draft()) == {}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"from_mailbox": BAD}, "message.from_mailbox.address"),
        ({"from_mailbox": MailboxDraft("")}, "message.from_mailbox.address"),
        ({"from_mailbox": None}, "message.from_mailbox"),
        ({"sender": BAD}, "message.sender.address"),
        ({"sender": MailboxDraft("a@b.example", "\n")}, "message.sender.name"),
        ({"reply_to": (BOB, BAD)}, "message.reply_to[1].address"),
        ({"reply_to": (BOB,) * 11}, "message.reply_to"),
        ({"to": (BOB, BOB, BOB, BAD)}, "message.to[3].address"),
        ({"to": (MailboxDraft("a@b.example", LONG),)}, "message.to[0].name"),
        ({"to": ()}, "message.to"),
        ({"to": (BOB,) * 99, "cc": (BOB,), "bcc": (BOB,)}, "message.to"),
        ({"cc": (BAD,)}, "message.cc[0].address"),
        ({"bcc": (BOB, BAD)}, "message.bcc[1].address"),
        ({"envelope_from": "bob"}, "message.envelope_from"),
        ({"envelope_from": "<bob@example.org>"}, "message.envelope_from"),
        ({"subject": ""}, "message.subject"),
        ({"subject": "a\nBcc: x@example.com"}, "message.subject"),
        ({"text": None}, "message.text_body"),
        ({"text": "", "html": ""}, "message.text_body"),
        ({"text": "a\0"}, "message.text_body"),
        ({"text": "\ud800"}, "message.text_body"),
        ({"html": "<p>\0"}, "message.html_body"),
        ({"headers": (Header("X", ""), Header("", "v"))}, "message.headers[1].name"),
        ({"headers": (Header("X Y", "v"),)}, "message.headers[0].name"),
        ({"headers": (Header("X:Y", "v"),)}, "message.headers[0].name"),
        ({"headers": (Header("Ü", "v"),)}, "message.headers[0].name"),
        ({"headers": (Header("X" * 77, "v"),)}, "message.headers[0].name"),
        ({"headers": (Header("X", LONG),)}, "message.headers[0].value"),
        ({"headers": (Header("X", "v"),) * 101}, "message.headers"),
        ({"headers": (Header("References", "<a@b>"),) * 2}, "message.headers"),
        (
            {"headers": (Header("in-reply-to", "x"), Header("In-Reply-To", "y"))},
            "message.headers",
        ),
        ({"message_id": "x@y"}, "message.message_id"),
        ({"message_id": "<x>"}, "message.message_id"),
        ({"message_id": "<x@y> <z@y>"}, "message.message_id"),
        ({"message_id": "<ü@y>"}, "message.message_id"),
        ({"message_id": "<=?x?q?a?=@y>"}, "message.message_id"),
        ({"message_id": f"<{'x' * 248}@y>"}, "message.message_id"),
    ],
)
def test_a_wrong_field_is_named(changes, field):
    assert list(problems(draft(**changes))) == [field]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"filename": ""}, "filename"),
        ({"filename": "../x"}, "filename"),
        ({"filename": ".."}, "filename"),
        ({"filename": "C:\\x"}, "filename"),
        ({"filename": "a\tb"}, "filename"),
        ({"filename": "a\u202etxt.exe"}, "filename"),
        ({"filename": "a\x85b"}, "filename"),
        ({"filename": "\ud800"}, "filename"),
        ({"filename": "é" * 128}, "filename"),
        ({"content_type": ""}, "content_type"),
        ({"content_type": "text"}, "content_type"),
        ({"content_type": "text/plain\r\nBcc: x"}, "content_type"),
        ({"content_type": "multipart/mixed"}, "content_type"),
        ({"content_type": "Multipart/Mixed; boundary=x"}, "content_type"),
        ({"content_type": "message/partial"}, "content_type"),
        ({"content_type": "message/external-body"}, "content_type"),
        ({"content_type": "application/pdf; name=x.pdf"}, "content_type"),
        ({"content_type": "application/pdf; NAME*0=x.pdf"}, "content_type"),
        ({"content_type": "text/plain; charset"}, "content_type"),
        ({"content_type": "text/plain; a=b; A=c"}, "content_type"),
        ({"content_type": "text/plain; a=ü"}, "content_type"),
        ({"content_type": "text/plain;"}, "content_type"),
        ({"content_type": "a/" + "b" * 300}, "content_type"),
        ({"data": None}, "data"),
        ({"data": b""}, "data"),
        ({"data": None, "data_base64": ""}, "data_base64"),
        ({"data": None, "data_base64": "QQ="}, "data_base64"),
        ({"data": None, "data_base64": "QQ"}, "data_base64"),
        ({"data": None, "data_base64": "Q Q="}, "data_base64"),
        ({"data": None, "data_base64": "QUJD\nQUJD"}, "data_base64"),
        ({"data": None, "data_base64": "QQ==\n"}, "data_base64"),
        ({"data": None, "data_base64": "QQ==QQ=="}, "data_base64"),
        ({"data": None, "data_base64": "_-_-"}, "data_base64"),
        ({"data": None, "data_base64": "===="}, "data_base64"),
        ({"data": None, "data_base64": "ÄÄÄÄ"}, "data_base64"),
        ({"content_id": "<x>"}, "content_id"),
        ({"content_id": "a b"}, "content_id"),
        ({"content_id": "=?x?q?=0a?=@x"}, "content_id"),
        ({"content_id": "ü"}, "content_id"),
        ({"content_id": "a\r\nb"}, "content_id"),
        ({"content_id": "x" * 256}, "content_id"),
        ({"disposition": Disposition.INLINE}, "content_id"),
        ({"content_type": "message/rfc822", "data": b"A: b\n\nx"}, "content_type"),
        (
            {"content_type": "message/rfc822", "data": b"A: \xfc\r\n\r\n"},
            "content_type",
        ),
        ({"content_type": "message/rfc822", "data": b"A: b\r\n\r\n\0"}, "content_type"),
        ({"content_type": "message/rfc822", "data": b"x" * 999}, "content_type"),
    ],
)
def test_a_wrong_field_of_an_attachment_is_named(changes, field):
    found = problems(draft(html="<p>", attachments=(file(), file(**changes))))

    assert list(found) == [f"message.attachments[1].{field}"]


def test_an_inline_part_needs_html():
    inline = file(disposition=Disposition.INLINE, content_id="x")

    assert list(problems(draft(attachments=(inline,)))) == [
        "message.attachments[0].disposition"
    ]


def test_content_ids_are_unique():
    found = problems(draft(attachments=(file(content_id="x"), file(content_id="x"))))

    assert list(found) == ["message.attachments[1].content_id"]


@pytest.mark.parametrize("control", CONTROLS, ids=lambda c: f"U+{ord(c):04X}")
@pytest.mark.parametrize(
    ("build", "field"),
    [
        (lambda t: {"subject": t}, "message.subject"),
        (lambda t: {"from_mailbox": MailboxDraft("a@b.example", t)}, "message.from_mailbox.name"),
        (lambda t: {"to": (MailboxDraft("a@b.example", t),)}, "message.to[0].name"),
        (lambda t: {"headers": (Header("X", t),)}, "message.headers[0].value"),
        (lambda t: {"headers": (Header(t, "v"),)}, "message.headers[0].name"),
        (lambda t: {"envelope_from": f"{t}@b.example"}, "message.envelope_from"),
        (lambda t: {"message_id": f"<{t}@b.example>"}, "message.message_id"),
        (lambda t: {"attachments": (file(filename=t),)}, "message.attachments[0].filename"),
        (lambda t: {"attachments": (file(content_type=f"a/{t}"),)}, "message.attachments[0].content_type"),
        (lambda t: {"attachments": (file(content_type=f'a/b; c="{t}"'),)}, "message.attachments[0].content_type"),
        (lambda t: {"attachments": (file(content_id=t),)}, "message.attachments[0].content_id"),
    ],
)  # fmt: skip
def test_control_characters_are_refused_in_every_header(build, field, control):
    assert list(problems(draft(**build(f"a{control}b")))) == [field]


def test_a_tab_is_allowed_in_text_of_headers():
    allowed = draft(
        subject="a\tb",
        headers=(Header("X", "a\tb"),),
        to=(MailboxDraft("bob@example.org", "a\tb"),),
    )

    assert problems(allowed) == {}


@pytest.mark.parametrize(
    "name",
    [
        "From", "Sender", "Reply-To", "To", "Cc", "Bcc", "Subject", "Date", "Message-ID",
        "MIME-Version", "Return-Path", "Received", "Received-SPF", "DKIM-Signature",
        "ARC-Seal", "Authentication-Results", "Delivered-To", "Resent-From",
        "Resent-Whatever", "Content-Type", "Content-Transfer-Encoding", "Content-X",
    ],
)  # fmt: skip
@pytest.mark.parametrize("case", [str, str.upper, str.lower, str.swapcase])
def test_reserved_headers_are_refused_in_any_case(name, case):
    found = problems(draft(headers=(Header(case(name), "x"),)))

    assert list(found) == ["message.headers[0].name"]


@pytest.mark.parametrize("octet", range(256))
def test_a_header_name_has_visible_ascii_alone(octet):
    found = problems(draft(headers=(Header(f"X{chr(octet)}Y", "v"),)))
    allowed = 33 <= octet <= 126 and chr(octet) != ":"

    assert (found == {}) == allowed


@pytest.mark.parametrize(
    "name", ["Comments", "List-Id", "X-Priority", "!", "Importance"]
)
def test_other_headers_may_repeat(name):
    assert problems(draft(headers=(Header(name, "x"),) * 2)) == {}


def test_every_problem_is_reported_at_once():
    found = problems(
        draft(
            from_mailbox=BAD,
            to=(BAD, BOB, BAD),
            subject="",
            text=None,
            attachments=(file(filename="", content_type="", data=b""),),
            headers=(Header("To", "\n"),),
            message_id="x",
        )
    )

    assert set(found) == {
        "message.from_mailbox.address",
        "message.to[0].address",
        "message.to[2].address",
        "message.subject",
        "message.text_body",
        "message.attachments[0].filename",
        "message.attachments[0].content_type",
        "message.attachments[0].data",
        "message.headers[0].name",
        "message.headers[0].value",
        "message.message_id",
    }


def test_problems_are_sentences_that_do_not_repeat_what_was_given():
    found = problems(
        draft(
            to=(MailboxDraft("canary"),),
            subject="canary\n",
            headers=(Header("canary ", "canary\n"),),
            attachments=(file(filename="canary/", content_type="canary"),),
            message_id="canary",
        )
    )

    assert len(found) == 7
    for description in found.values():
        assert "canary" not in description
        assert description.endswith(".")


def test_a_million_wrong_recipients_fill_no_memory():
    found = problems(draft(to=(BAD,) * 1_000_000, cc=(BAD,) * 1_000_000))

    assert len(found) <= PROBLEMS_KEPT


def test_lookalikes_are_accepted_and_kept():
    valid = checked(
        draft(
            from_mailbox=None,
            envelope_from="",
            message_id="<a.b@[127.0.0.1]>",
            attachments=(file(content_type='Text/X; A="b; c"', filename="...txt"),),
        ),
        from_address="relay@example.com",
    )

    assert valid.message_id == "<a.b@[127.0.0.1]>"
    assert valid.message.attachments[0].content_type == 'text/x; a="b; c"'
