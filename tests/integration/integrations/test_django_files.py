"""Files in every form that Django attaches them, as the relay gets them."""

from __future__ import annotations

from email.message import MIMEPart
from email.mime.image import MIMEImage
from email.mime.message import MIMEMessage
from email.mime.text import MIMEText
from email.policy import default

import pytest
from django.core.mail import EmailMessage
from postroom.django._mail import mail_of

from tests.support.django_mail import a_message, the_file

PNG = b"\x89PNG\r\n\x1a\n\x00\xff"


@pytest.mark.parametrize(
    ("attachment", "name", "kind", "content"),
    [
        (("a.txt", "Käse\n", "text/plain"), "a.txt", "text/plain", "Käse\n"),
        (("a.csv", b"1,2\n", None), "a.csv", "text/csv", "1,2\n"),
        (("a.pdf", PNG, "application/pdf"), "a.pdf", "application/pdf", PNG),
        (("a.json", "{}", "application/json"), "a.json", "application/json", b"{}"),
        (("a.qqq", PNG, None), "a.qqq", "application/octet-stream", PNG),
        (("näme.png", PNG, None), "näme.png", "image/png", PNG),
        ((None, PNG, "image/png"), "attachment.png", "image/png", PNG),
        (("a.txt", b"\xff", None), "a.txt", "application/octet-stream", b"\xff"),
        (
            ("a.txt", "Käse", "text/plain; charset=iso-8859-1"),
            "a.txt",
            "text/plain",
            "Käse",
        ),
        (MIMEImage(PNG, "png"), "attachment.png", "image/png", PNG),
        (MIMEImage(PNG, "png", name="i.png"), "i.png", "image/png", PNG),
    ],
)
def test_files_are_attached(received, attachment, name, kind, content):
    a_message(attachments=[attachment]).send()
    part = the_file(received()[2])

    assert part.get_filename() == name
    assert part.get_content_type() == kind
    assert part.get_content_disposition() == "attachment"
    assert part.get_content() == content


def test_a_file_is_attached_from_its_path(received, tmp_path):
    path = tmp_path / "report.pdf"
    path.write_bytes(PNG)
    message = a_message()
    message.attach_file(path)
    message.send()
    part = the_file(received()[2])

    assert part.get_filename() == "report.pdf"
    assert part.get_content() == PNG


def test_a_part_keeps_its_name_type_and_charset(received):
    part = MIMEText("Käse", "csv", "iso-8859-1")
    part.add_header("Content-Disposition", "attachment", filename="käse.csv")
    a_message(attachments=[part]).send()
    got = the_file(received()[2])

    assert got.get_filename() == "käse.csv"
    assert got.get_content_type() == "text/csv"
    assert got.get_content() == "Käse"


def an_image(disposition: str | None) -> MIMEImage:
    image = MIMEImage(PNG, "png")
    image.add_header("Content-ID", "<logo>")
    if disposition:
        image.add_header("Content-Disposition", disposition, filename="logo.png")
    return image


@pytest.mark.parametrize("disposition", ["inline", None])
def test_an_image_with_a_content_id_is_shown_in_the_html(received, disposition):
    message = a_message(attachments=[an_image(disposition)])
    message.attach_alternative('<img src="cid:logo">', "text/html")
    message.send()
    mail = received()[2]
    related = mail.get_body(("related",))
    html, image = related.iter_parts()

    assert html.get_content_type() == "text/html"
    assert image["Content-ID"] == "<logo>"
    assert image.get_content_disposition() == "inline"
    assert image.get_content() == PNG


def test_an_image_without_html_is_a_file(received):
    a_message(attachments=[an_image("inline")]).send()
    part = the_file(received()[2])

    assert part.get_content_disposition() == "attachment"
    assert part["Content-ID"] == "<logo>"


def test_an_image_to_be_attached_is_a_file_beside_html_too(received):
    message = a_message(attachments=[an_image("attachment")])
    message.attach_alternative("<p>Hi", "text/html")
    message.send()

    assert the_file(received()[2]).get_filename() == "logo.png"


def test_a_modern_part_is_attached():
    part = MIMEPart(policy=default)
    part.set_content(PNG, "image", "png", filename="i.png", cid="<i@example.com>")
    message = a_message()
    message.attachments.append(part)
    (file,) = mail_of(message)["attachments"]

    assert (file.filename, file.data, file.content_id) == (
        "i.png",
        PNG,
        "i@example.com",
    )


def a_mail(text: str = "Käse") -> EmailMessage:
    return EmailMessage("Inner ü", text, "in@example.com", ["ada@example.com"])


@pytest.mark.parametrize(
    "content",
    [
        a_mail(),
        a_mail().message(),
        a_mail().message().as_string(),
        a_mail().message().as_bytes(),
        a_mail("From here\n.\n").message(),
    ],
    ids=["Django's", "a message", "text", "bytes", "odd lines"],
)
def test_a_mail_is_attached_whole(received, content):
    a_message(attachments=[("inner.eml", content, "message/rfc822")]).send()
    part = the_file(received()[2])
    inner = part.get_content()

    assert part.get_content_type() == "message/rfc822"
    assert inner["Subject"] == "Inner ü"
    assert inner.get_content().split() in (["Käse"], ["From", "here", "."])


def test_a_mail_is_attached_as_a_part(received):
    a_message(attachments=[MIMEMessage(a_mail().message())]).send()
    part = the_file(received()[2])

    assert part.get_filename() == "attachment.eml"
    assert part.get_content()["Subject"] == "Inner ü"
