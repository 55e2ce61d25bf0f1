"""Mails as `postroom.testing` reads them."""

from __future__ import annotations

from datetime import UTC, datetime
from email.message import EmailMessage

import pytest
from postroom import Attachment, Mailbox
from postroom.testing import Headers, ReceivedMail
from postroom.testing._links import links_in


def read(raw: bytes) -> ReceivedMail:
    return ReceivedMail("me@example.com", ("ada@example.com",), raw, datetime.now(UTC))


def written(**changes) -> ReceivedMail:
    """A mail that the standard library wrote."""
    mail = EmailMessage()
    for name, value in changes.pop("headers", {}).items():
        mail[name] = value
    mail.set_content(changes.get("text", "Hello.\n"))
    if "html" in changes:
        mail.add_alternative(changes["html"], subtype="html")
    for data, kind, name in changes.get("files", ()):
        main, _, sub = kind.partition("/")
        mail.add_attachment(data, maintype=main, subtype=sub, filename=name)
    return read(mail.as_bytes().replace(b"\n", b"\r\n"))


def test_the_header_is_decoded():
    mail = written(
        headers={
            "Subject": "Grüße " * 30,
            "From": '"Müller, Ada" <ada@example.com>',
            "To": "Bob <bob@example.com>, eve@example.com",
            "Reply-To": "box@example.com",
            "Date": "Mon, 23 Nov 2026 01:05:59 +0000",
            "X-Id": "7",
        }
    )

    assert mail.subject == ("Grüße " * 30)
    assert mail.from_ == Mailbox("ada@example.com", "Müller, Ada")
    assert mail.to == (Mailbox("bob@example.com", "Bob"), Mailbox("eve@example.com"))
    assert mail.cc == ()
    assert mail.reply_to == (Mailbox("box@example.com"),)
    assert mail.date == datetime(2026, 11, 23, 1, 5, 59, tzinfo=UTC)
    assert mail.headers["x-id"] == "7"


def test_a_header_in_utf_8_is_read():
    mail = read("To: Zoë <zoë@bücher.example>\r\nSubject: é\r\n\r\n".encode())

    assert mail.to == (Mailbox("zoë@bücher.example", "Zoë"),)
    assert mail.subject == "é"


def test_fields_of_one_name_are_all_there():
    headers = Headers([("Received", "1"), ("received", "2"), ("X", "3")])

    assert headers.get_all("RECEIVED") == ("1", "2")
    assert headers["received"] == "1"
    assert len(headers) == 2
    assert "Y" not in headers


@pytest.mark.parametrize(
    ("sent", "text"), [("Hi.\n", "Hi."), ("a\n\nb\n", "a\n\nb"), ("é\n", "é")]
)
def test_bodies_are_read_without_the_end_of_their_last_line(sent, text):
    mail = written(text=sent, html=f"<p>{sent}")

    assert mail.text == text
    assert mail.html == f"<p>{text}"


def test_a_mail_without_html_has_none():
    assert written().html is None


def test_files_are_as_those_that_are_sent():
    mail = written(
        html="<p>x",
        files=[(b"%PDF\r\n\0", "application/pdf", "Rechnung für 7.pdf")],
    )

    assert mail.attachments == (
        Attachment("Rechnung für 7.pdf", "application/pdf", b"%PDF\r\n\0"),
    )


def test_a_text_that_is_attached_is_no_body():
    mail = written(files=[(b"a;b\n", "text/csv", "a.csv")])

    assert mail.text == "Hello."
    assert [file.filename for file in mail.attachments] == ["a.csv"]


def test_a_mail_that_is_attached_is_one_file():
    inner = EmailMessage()
    inner["Subject"] = "inner"
    inner.set_content("x")
    outer = EmailMessage()
    outer.set_content("Hello.\n")
    outer.add_attachment(inner)
    mail = read(outer.as_bytes())

    assert [file.content_type for file in mail.attachments] == ["message/rfc822"]
    assert b"Subject: inner" in mail.attachments[0].data


@pytest.mark.parametrize(
    ("html", "text", "links"),
    [
        ('<a href="https://a.example/x?b=1&amp;c=2">x</a>', "", ["https://a.example/x?b=1&c=2"]),
        ("", "see https://a.example/x, or (http://b.example).", ["https://a.example/x", "http://b.example"]),
        ("", "https://a.example/x_(y)", ["https://a.example/x_(y)"]),
        ("<a href=https://a.example>x</a>", "https://a.example", ["https://a.example"]),
        ("<a name=x><a href='#top'><img src=https://x.example>", "ftp://x", []),
        ("<AREA HREF=' mailto:a@b.example '>", "", ["mailto:a@b.example"]),
    ],
)  # fmt: skip
def test_links_are_found(html, text, links):
    assert list(links_in(html, text)) == links


def test_the_one_link_that_is_looked_for():
    mail = written(text="https://a.example/reset/7\nhttps://a.example/stop\n")

    assert mail.link("/reset/") == "https://a.example/reset/7"
    with pytest.raises(AssertionError) as failed:
        mail.link("a.example")
    assert str(failed.value) == (
        "2 links contain 'a.example' instead of 1; there are:\n"
        "  https://a.example/reset/7\n"
        "  https://a.example/stop"
    )
