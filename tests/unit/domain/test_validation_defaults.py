"""Validation: what a valid mail becomes, defaults and warnings included."""

from __future__ import annotations

import pytest
from postroom_server.domain.draft import Disposition, MailboxDraft

from tests.support.mails import checked, draft, file, problems

ANN = MailboxDraft("ann@example.com", "Ann")
BOB = MailboxDraft("bob@example.org")


def test_the_relays_from_is_the_default():
    valid = checked(
        draft(from_mailbox=None), from_address="shop@example.com", from_name="Shop"
    )

    assert valid.message.from_mailbox.address.wire == "shop@example.com"
    assert valid.message.from_mailbox.name == "Shop"


def test_the_callers_from_wins():
    valid = checked(draft(from_mailbox=ANN), from_address="shop@example.com")

    assert valid.message.from_mailbox.address.wire == "ann@example.com"


@pytest.mark.parametrize(
    ("asked", "configured", "expected"),
    [
        ("", "", "ann@example.com"),
        ("", "bounces@example.com", "bounces@example.com"),
        ("b@example.com", "bounces@example.com", "b@example.com"),
        ("<>", "bounces@example.com", None),
        ("", "<>", None),
        ("b@Bücher.example", "", "b@xn--bcher-kva.example"),
    ],
)
def test_bounces_go_where_the_caller_or_the_relay_says(asked, configured, expected):
    valid = checked(draft(envelope_from=asked), envelope_from=configured)
    path = valid.envelope_from

    assert (path.wire if path else None) == expected


def test_a_wrong_default_is_a_problem_of_the_field():
    found = problems(draft(from_mailbox=None), from_address="shop")

    assert list(found) == ["message.from_mailbox.address"]


def test_equal_recipients_collapse_and_the_first_stays():
    spelled = ("Bob@Example.org", "bob@example.org", "Bob@EXAMPLE.org")
    message = checked(draft(to=tuple(map(MailboxDraft, spelled)))).message

    assert [a.given for a in message.recipients()] == [
        "Bob@Example.org",
        "bob@example.org",
    ]
    assert len(message.to) == 3


def test_an_empty_body_beside_another_is_none():
    message = checked(draft(text="", html="<p>")).message

    assert (message.text, message.html) == (None, "<p>")


def test_base64_arrives_decoded():
    asked = draft(attachments=(file(data=None, data_base64="aGk="),))

    assert checked(asked).message.attachments[0].data == b"hi"


def test_an_attachment_is_one_unless_it_is_inline():
    inline = file(disposition=Disposition.INLINE, content_id="x")
    message = checked(draft(html="<p>", attachments=(file(), inline))).message

    assert [a.disposition for a in message.attachments] == [
        Disposition.ATTACHMENT,
        Disposition.INLINE,
    ]


def test_a_plain_mail_has_no_warnings():
    assert checked(draft()).warnings == ()


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"subject": "  "}, "subject"),
        ({"text": None, "html": "<p>"}, "no text"),
        ({"text": " \n"}, "looks empty"),
        ({"text": " \n", "html": "<p>"}, "won't see"),
        ({"to": (), "bcc": (BOB,)}, "in bcc"),
        ({"bcc": (BOB,)}, "visible"),
        ({"cc": (BOB,)}, "more than once"),
        ({"reply_to": (ANN,)}, "Reply-To"),
        ({"sender": ANN}, "Sender"),
    ],
)
def test_what_was_probably_not_meant_is_told(changes, word):
    assert any(word in warning for warning in checked(draft(**changes)).warnings)


@pytest.mark.parametrize(
    ("html", "told"),
    [("<img src='cid:a+b@c'>", 0), ("<img src='cid:a%2Bb%40c'>", 0), ("<img>", 1)],
)
def test_an_inline_part_that_nothing_shows_is_told(html, told):
    inline = file(disposition=Disposition.INLINE, content_id="a+b@c")
    valid = checked(draft(html=html, attachments=(inline,)))

    assert len(valid.warnings) == told


def test_there_are_at_most_twenty_warnings():
    inline = tuple(
        file(disposition=Disposition.INLINE, content_id=f"x{i}") for i in range(50)
    )

    assert len(checked(draft(html="<p>", attachments=inline)).warnings) == 20
