"""Mailboxes and lists of them in headers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom_server.domain.draft import MailboxDraft
from postroom_server.mail.composer import Form

from tests.support.mails import (
    MAILBOXES,
    addresses_in,
    composed,
    draft,
    header_lines,
    message,
    raw,
    reading,
    unfolded,
)


def to(name: str, address: str = "bob@example.org", form: Form = Form.ASCII) -> str:
    return unfolded(raw(form, to=(MailboxDraft(address, name),)), "To")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("", "bob@example.org"),
        ("Bob", "Bob <bob@example.org>"),
        ("Bob O'Neil", "Bob O'Neil <bob@example.org>"),
        ("O'Neil, Bob", '"O\'Neil, Bob" <bob@example.org>'),
        ("Bob P. O'Neil", '"Bob P. O\'Neil" <bob@example.org>'),
        ('Bob "the" \\', '"Bob \\"the\\" \\\\" <bob@example.org>'),
        ("a@b.example", '"a@b.example" <bob@example.org>'),
        ("(x)", '"(x)" <bob@example.org>'),
        ("a  b", '"a  b" <bob@example.org>'),
        ("=?utf-8?q?x?=", "=?utf-8?B?PT91dGYtOD9xP3g/PQ==?= <bob@example.org>"),
        (" Bob", "=?utf-8?q?_Bob?= <bob@example.org>"),
        ("Bób", "=?utf-8?q?B=C3=B3b?= <bob@example.org>"),
    ],
)
def test_a_name_is_quoted_or_encoded_where_it_must_be(name, shown):
    assert to(name) == shown


@given(st.lists(MAILBOXES, min_size=1, max_size=6).map(tuple))
def test_a_list_reads_as_it_was_given(mailboxes):
    expected = [
        (mailbox.name, mailbox.address.shown) for mailbox in message(to=mailboxes).to
    ]

    assert addresses_in(raw(to=mailboxes), "To") == expected


def test_a_list_folds_between_mailboxes_alone():
    mailboxes = tuple(
        MailboxDraft(f"bob{i}@example.org", f"Bob {i}") for i in range(50)
    )
    lines = [line for line in header_lines(raw(to=mailboxes)) if b"bob" in line]

    assert all(len(line) <= 76 for line in lines)
    assert all(line.endswith(b">,") for line in lines[:-1])


@given(st.lists(MAILBOXES, min_size=1, max_size=6).map(tuple))
def test_lines_with_encoded_words_are_short(mailboxes):
    lines = header_lines(
        raw(to=mailboxes, cc=(MailboxDraft("ü@example.com", "ü" * 99),))
    )

    assert all(len(line) <= 76 for line in lines if b"=?utf-8?" in line)
    assert all(line.strip() for line in lines)


def test_a_long_name_and_a_long_address_stand_on_lines_of_their_own():
    address = "x" * 64 + "@" + ".".join(["d" * 61] * 3) + ".com"
    content = raw(
        to=(MailboxDraft(address, "é" * 255), MailboxDraft(address, "B" * 255))
    )

    assert all(len(line) <= 998 for line in header_lines(content))
    assert addresses_in(content, "To") == [("é" * 255, address), ("B" * 255, address)]


def test_a_domain_is_shown_as_its_a_label():
    assert to("", "bob@bücher.example") == "bob@xn--bcher-kva.example"


@pytest.mark.parametrize(
    ("name", "group"),
    [("", "юзер@example.org"), ("Юзер", "Юзер юзер@example.org")],
)
def test_an_address_that_is_not_ascii_becomes_an_empty_group(name, group):
    to_header = reading(
        raw(to=(MailboxDraft("юзер@example.org", name), MailboxDraft("b@example.org")))
    )["To"]

    assert [g.display_name for g in to_header.groups] == [group, None]
    assert [a.addr_spec for a in to_header.addresses] == ["b@example.org"]


def test_with_smtputf8_an_address_is_written_as_it_is():
    asked = (MailboxDraft("юзер@bücher.example", "Юзер"),)
    (line,) = [x for x in header_lines(raw(Form.UTF8, to=asked)) if x[:3] == b"To:"]

    assert line.decode() == "To: =?utf-8?B?0K7Qt9C10YA=?= <юзер@xn--bcher-kva.example>"


@pytest.mark.parametrize(
    ("address", "form", "needed"),
    [
        ("bob@bücher.example", Form.UTF8, False),
        ("bøb@example.com", Form.UTF8, True),
        ("bøb@example.com", Form.ASCII, False),
    ],
)
def test_only_raw_addresses_need_smtputf8(address, form, needed):
    content = composed(draft(cc=(MailboxDraft(address, "Bøb"),)), form)

    assert content.needs_smtputf8 is needed
    assert bytes(content).isascii() is not needed
