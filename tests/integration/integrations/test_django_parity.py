"""What arrives is what Django's own backend would have sent."""

from __future__ import annotations

from email import message_from_bytes
from email.encoders import encode_base64
from email.message import EmailMessage as Mime
from email.mime.base import MIMEBase
from email.mime.image import MIMEImage
from email.mime.text import MIMEText
from email.policy import default
from typing import Any

import pytest
from django.core.mail import EmailAlternative, EmailAttachment, EmailMessage
from django.test.utils import override_settings
from django.utils.functional import lazystr
from postroom.django._mail import mailbox_of

from tests.support.django_mail import a_message

PDF = b"%PDF-1.7\n\x00\xff"
LISTS = ("From", "Sender", "To", "Cc", "Reply-To")


def described_part() -> MIMEBase:
    part = MIMEBase("application", "pdf")
    part.set_payload(PDF)
    part.add_header("Content-Disposition", "attachment", filename="a.pdf")
    part.add_header("Content-Description", "what it is")
    part.add_header("X-Kind", "scan")
    encode_base64(part)
    return part


def named_text() -> MIMEText:
    part = MIMEText("ä", "x-log", "utf-8")
    part.add_header("Content-Disposition", "attachment", filename="a.log")
    return part


def with_html(**fields: Any) -> Any:
    message = a_message(**fields)
    message.attach_alternative("<p>Grüße 🎉</p>", "text/html")
    return message


def changed(message: Any, **attributes: Any) -> Any:
    for name, value in attributes.items():
        setattr(message, name, value)
    return message


def with_file(tmp_path: Any) -> Any:
    path = tmp_path / "näme.csv"
    path.write_text("ä,1\n", encoding="utf-8")
    message = a_message()
    message.attach_file(path)
    return message


MESSAGES = {
    "plain": lambda _: a_message(),
    "the class": lambda _: a_message(EmailMessage),
    "names": lambda _: a_message(
        from_email='"Zoë, the boss" <zoe@example.com>',
        to=["José <jose@example.com>", '"Doe, J." <j@example.com>', "b@EXAMPLE.com"],
        cc=["Ünï <cc@example.com>"],
        bcc=["bcc@example.com"],
        reply_to=["Ada <a@example.com>", "b@example.com"],
    ),
    "an international domain": lambda _: a_message(to=["ada@bücher.example"]),
    "one recipient twice": lambda _: a_message(to=["a@b.example"], cc=["a@b.example"]),
    "a long subject": lambda _: a_message(subject="Grüße an alle 🎉 " * 20),
    "a subject in words": lambda _: a_message(subject="a =?utf-8?q?b?= c"),
    "lazy": lambda _: a_message(subject=lazystr("Später"), body=lazystr("später")),
    "headers": lambda _: a_message(
        headers={
            "X-Long": "word " * 60 + "end",
            "X-Ünï".encode("ascii", "ignore").decode(): "Grüße",
            "List-Unsubscribe": "<mailto:a@example.com?subject=x>",
            "References": "<a@example.com> <b@example.com>",
            "Auto-Submitted": "auto-generated",
            "X-Priority": "1",
        }
    ),
    "a message id": lambda _: a_message(headers={"message-id": "<mine@example.com>"}),
    "a reply-to header": lambda _: a_message(headers={"Reply-To": "x@example.com"}),
    "a from header": lambda _: a_message(headers={"From": "Ada <ada@example.com>"}),
    "lines": lambda _: a_message(
        body=".dot\n..two\nFrom here\n\nx" + "y" * 1200 + "\n"
    ),
    "carriage returns": lambda _: a_message(body="a\r\nb\r\n"),
    "html": lambda _: with_html(body="Grüße"),
    "html alone": lambda _: changed(a_message(body="<p>x"), content_subtype="html"),
    "another subtype": lambda _: changed(a_message(body="a,b"), content_subtype="csv"),
    "latin-1": lambda _: changed(a_message(body="Grüße"), encoding="iso-8859-1"),
    "alternatives": lambda _: a_message(
        alternatives=[
            EmailAlternative("<p>x", "text/html"),
            EmailAlternative("BEGIN:VCALENDAR\nEND:VCALENDAR\n", "text/calendar"),
        ]
    ),
    "files": lambda _: with_html(
        attachments=[
            EmailAttachment("a.pdf", PDF, "application/pdf"),
            EmailAttachment("ä.txt", "Käse\n", "text/plain"),
            ("a.csv", b"1,2\n", None),
            ("a.txt", b"\xff\xfe", "text/plain"),
            ("a.json", '{"a": 1}', "application/json"),
        ]
    ),
    "a file of the disk": with_file,
    "a part": lambda _: a_message(attachments=[MIMEImage(PDF, "png", name="i.png")]),
    "a part with headers": lambda _: a_message(attachments=[described_part()]),
    "a text part": lambda _: a_message(attachments=[named_text()]),
    "related": lambda _: changed(
        with_html(attachments=[described_part()]), mixed_subtype="related"
    ),
    "a mail": lambda _: a_message(
        attachments=[("m.eml", a_message(subject="Inner").message(), "message/rfc822")]
    ),
}


def told(mail: Mime) -> dict[str, Any]:
    """What a reader is shown of the header."""
    shown: dict[str, Any] = {
        name.lower(): " ".join(str(value).split())
        for name, value in mail.items()
        if name.lower() not in {"date", "message-id", "content-type", "mime-version"}
        and not name.lower().startswith("content-")
    }
    for name in LISTS:
        if mail[name]:
            shown[name.lower()] = [
                (a.display_name, a.username, a.domain.lower())
                for a in mail[name].addresses
            ]
    return shown


def parts(mail: Mime) -> list[Any]:
    """Each part that holds something: what it is called, and what is in it."""
    return [_part(p) for p in mail.walk() if not p.is_multipart()]


def _part(part: Mime) -> tuple[Any, ...]:
    content: Any = part.get_payload(decode=True)
    if part.get_content_maintype() == "text":
        charset = part.get_content_charset() or "utf-8"
        text = content.decode(charset, "replace")
        content = text.replace("\r\n", "\n").removesuffix("\n")
    known = {"content-type", "content-transfer-encoding", "content-disposition"}
    own = sorted(
        (name.lower(), str(value))
        for name, value in part.items()
        if name.lower() not in {*known, "mime-version"} and part.get_filename()
    )
    return part.get_filename(), part.get_content_type(), content, own


@pytest.mark.parametrize("name", MESSAGES)
def test_what_arrives_is_what_django_would_send(received, tmp_path, name):
    message = MESSAGES[name](tmp_path)
    composed = message.message().as_bytes(linesep="\r\n")
    wanted = message_from_bytes(composed, policy=default)
    assert message.send() == 1
    envelope_from, recipients, mail = received()

    assert told(mail) == told(wanted)
    assert parts(mail) == parts(wanted)
    assert envelope_from == mailbox_of(message.from_email).address
    assert {*recipients} == {_on_the_wire(r) for r in message.recipients()}


def _on_the_wire(address: str) -> str:
    local, _, domain = mailbox_of(address).address.rpartition("@")
    return f"{local}@{domain.lower().encode('idna').decode()}"


@pytest.mark.parametrize(("local", "zone"), [(True, "+0530"), (False, "+0000")])
def test_the_date_is_in_the_zone_that_the_settings_say(received, local, zone):
    with override_settings(EMAIL_USE_LOCALTIME=local, TIME_ZONE="Asia/Kolkata"):
        a_message().send()

    assert received()[2]["Date"].endswith(zone)
