"""Django's messages, sent through its own functions to the real service."""

from __future__ import annotations

import subprocess
import sys
from email import message_from_bytes
from email.message import EmailMessage as Mime
from email.message import MIMEPart
from email.mime.image import MIMEImage
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import default

import pytest
from django.conf import settings
from django.core.mail import (
    BadHeaderError,
    EmailMessage,
    EmailMultiAlternatives,
    get_connection,
    mail_managers,
    send_mail,
    send_mass_mail,
)
from django.test.utils import override_settings
from django.utils.functional import lazystr
from postroom import DeliveryFailed, InvalidRequest, Unavailable
from postroom.django import EmailBackend
from postroom.django._mail import mail_of, mailbox_of

if not settings.configured:
    settings.configure(
        EMAIL_BACKEND="postroom.django.EmailBackend",
        DEFAULT_FROM_EMAIL="Shop <shop@example.com>",
        SERVER_EMAIL="root@example.com",
        MANAGERS=[("Grace", "grace@example.com")],
    )

PNG = b"\x89PNG\r\n\x1a\n\x00\xff"


@pytest.fixture(autouse=True)
def configured(request):
    """Where the test has a service, the settings name it."""
    if "target" not in request.fixturenames:
        yield
        return
    with override_settings(POSTROOM_TARGET=request.getfixturevalue("target")):
        yield


@pytest.fixture
def received(target, relay):
    """What the relay got last: the envelope, and the mail as a reader sees it."""

    def last() -> tuple[str, list[str], Mime]:
        mail = relay.messages[-1]
        parsed = message_from_bytes(mail.data, policy=default)
        return mail.envelope_from, list(mail.recipients), parsed

    return last


def a_message(kind=EmailMultiAlternatives, **fields):
    defaults = {"subject": "Hello", "body": "It works.", "to": ["ada@example.com"]}
    return kind(**{**defaults, **fields})


def the_file(mail: Mime) -> Mime:
    """The only attachment."""
    (part,) = mail.iter_attachments()
    return part


def test_send_mail_sends_text_and_html(received):
    sent = send_mail("Hello", "text", None, ["ada@example.com"], html_message="<p>html")
    _, recipients, mail = received()

    assert sent == 1
    assert recipients == ["ada@example.com"]
    assert mail["Subject"] == "Hello"
    assert mail["From"] == "Shop <shop@example.com>"
    assert mail.get_body(("plain",)).get_content() == "text"
    assert mail.get_body(("html",)).get_content() == "<p>html"


def test_mass_mail_counts_every_message(target, relay):
    mails = [(f"no {n}", "body", None, ["ada@example.com"]) for n in range(3)]

    assert send_mass_mail(mails) == 3
    assert len(relay.messages) == 3


def test_managers_get_mail(received):
    mail_managers("Look", "here")

    assert received()[1] == ["grace@example.com"]
    assert received()[2]["Subject"] == "[Django] Look"


def test_people_go_where_django_puts_them(received):
    a_message(
        from_email="Zoë <zoe@example.com>",
        to=["Ada Lovelace <ada@example.com>", '"Hopper, Grace" <grace@example.com>'],
        cc=["cc@example.com"],
        bcc=["bcc@example.com"],
        reply_to=["José <help@example.com>", "desk@example.com"],
    ).send()
    envelope_from, recipients, mail = received()

    assert envelope_from == "zoe@example.com"
    assert recipients == [
        "ada@example.com",
        "grace@example.com",
        "cc@example.com",
        "bcc@example.com",
    ]
    assert mail["From"] == "Zoë <zoe@example.com>"
    assert mail["To"].addresses[1].display_name == "Hopper, Grace"
    assert mail["Cc"] == "cc@example.com"
    assert mail["Reply-To"] == "José <help@example.com>, desk@example.com"
    assert "bcc@example.com" not in mail.as_string()


def test_lazy_texts_are_written_out(received):
    a_message(
        subject=lazystr("Später"),
        body=lazystr("Text"),
        to=[lazystr("ada@example.com")],
        headers={"X-Lazy": lazystr("yes")},
    ).send()
    mail = received()[2]

    assert mail["Subject"] == "Später"
    assert mail["X-Lazy"] == "yes"


def test_headers_go_along(received):
    a_message(
        headers={
            "X-Order": "1001",
            "List-Unsubscribe": "<https://example.com/u>",
            "Message-ID": "<mine@example.com>",
            "Sender": "robot@example.com",
            "Reply-To": "help@example.com",
        },
        reply_to=["not-this@example.com"],
    ).send()
    mail = received()[2]

    assert mail["X-Order"] == "1001"
    assert mail["List-Unsubscribe"] == "<https://example.com/u>"
    assert mail.get_all("Message-ID") == ["<mine@example.com>"]
    assert mail["Sender"] == "robot@example.com"
    assert mail.get_all("Reply-To") == ["help@example.com"]


@pytest.mark.parametrize("name", ["From", "from"])
def test_a_from_header_is_shown_while_bounces_go_to_from_email(received, name):
    a_message(
        from_email="bounces@example.com", headers={name: "Ada <ada@example.com>"}
    ).send()
    envelope_from, _, mail = received()

    assert envelope_from == "bounces@example.com"
    assert mail.get_all("From") == ["Ada <ada@example.com>"]


def test_to_and_cc_headers_say_who_is_shown(received):
    a_message(
        to=["ada@example.com", "bob@example.com"],
        cc=["cy@example.com"],
        headers={"To": "Ada <ada@EXAMPLE.com>", "Cc": "bob@example.com"},
    ).send()
    _, recipients, mail = received()

    assert sorted(recipients) == [
        "ada@example.com",
        "bob@example.com",
        "cy@example.com",
    ]
    assert mail["To"] == "Ada <ada@EXAMPLE.com>"
    assert mail["Cc"] == "bob@example.com"
    assert "cy@example.com" not in mail.as_string()


def test_an_empty_group_in_to_hides_everybody(received):
    a_message(headers={"To": "undisclosed-recipients:;"}).send()
    _, recipients, mail = received()

    assert recipients == ["ada@example.com"]
    assert "ada@example.com" not in mail.as_string()


def test_a_to_header_makes_nobody_a_recipient():
    message = a_message(headers={"To": "list@example.com"})

    with pytest.raises(InvalidRequest, match=r"headers\.To: names list@example\.com"):
        mail_of(message)


@pytest.mark.parametrize(
    "field",
    [
        {"subject": "Hello\nBcc: eve@example.com"},
        {"from_email": "me@example.com\r\nBcc: eve@example.com"},
        {"to": ["ada@example.com\nBcc: eve@example.com"]},
        {"cc": ["ada@example.com\rBcc: eve@example.com"]},
        {"reply_to": ["ada@example.com\nBcc: eve@example.com"]},
        {"headers": {"X-Kind": "greeting\nBcc: eve@example.com"}},
        {"headers": {"From": "me@example.com\nBcc: eve@example.com"}},
    ],
)
@pytest.mark.parametrize("silently", [False, True])
def test_a_line_break_in_a_header_is_an_error_of_django(target, relay, field, silently):
    with pytest.raises(BadHeaderError):
        a_message(**field).send(fail_silently=silently)

    assert relay.messages == ()


def test_a_line_break_in_bcc_is_refused(target, relay):
    message = a_message(bcc=["ada@example.com\nBcc: eve@example.com"])

    with pytest.raises(InvalidRequest, match="bcc"):
        message.send()


def test_html_alone_is_html_alone(received):
    message = a_message(EmailMessage, body="<p>Hi")
    message.content_subtype = "html"
    message.send()

    assert received()[2].get_content_type() == "text/html"


def test_html_without_text_is_html_alone(received):
    message = a_message(body="")
    message.attach_alternative("<p>Hi", "text/html")
    message.send()

    assert received()[2].get_content_type() == "text/html"


def test_a_mail_without_a_body_is_sent_with_an_empty_one(received):
    a_message(body="", attachments=[("a.bin", b"a", None)]).send()
    mail = received()[2]

    assert mail.get_body().get_content().strip() == ""
    assert the_file(mail).get_content() == b"a"


def test_text_in_another_charset_arrives_as_it_was(received):
    message = a_message(body="Grüße", attachments=[("a.txt", "Käse", "text/plain")])
    message.encoding = "iso-8859-1"
    message.send()
    mail = received()[2]

    assert mail.get_body().get_content() == "Grüße"
    assert the_file(mail).get_content() == "Käse"
    assert the_file(mail).get_content_charset() == "iso-8859-1"


@pytest.mark.parametrize(
    "media_type", ["text/calendar", "text/x-amp-html", "application/json"]
)
def test_other_alternatives_are_refused_by_name(media_type):
    message = a_message()
    message.attach_alternative("x", media_type)

    with pytest.raises(InvalidRequest, match=rf"alternatives\[0\]: {media_type} can't"):
        mail_of(message)


def test_a_second_html_body_is_refused():
    message = a_message()
    message.attach_alternative("<p>1", "text/html")
    message.attach_alternative("<p>2", "text/html")

    with pytest.raises(InvalidRequest, match=r"alternatives\[1\]: is a second body"):
        mail_of(message)


def test_a_message_that_composes_itself_is_refused():
    class Signed(EmailMessage):
        def message(self):
            raise AssertionError("never asked")

    with pytest.raises(InvalidRequest, match="composes its own MIME"):
        EmailBackend(target="localhost:1").send_messages([a_message(Signed)])


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


def test_a_part_of_several_parts_is_refused(target):
    message = a_message(attachments=[MIMEMultipart("mixed", None, [MIMEText("a")])])

    with pytest.raises(InvalidRequest, match="multipart"):
        message.send()


def test_the_result_is_on_the_message(target):
    message = a_message()
    message.send()

    assert message.postroom_result.delivered
    assert message.postroom_result.recipients[0].address == "ada@example.com"


def test_a_message_that_is_not_valid_tells_all_of_it(target):
    message = a_message(to=["nobody"], subject="")

    with pytest.raises(InvalidRequest) as caught:
        message.send()

    fields = {violation.field for violation in caught.value.violations}
    assert fields == {"message.to[0].address", "message.subject"}
    assert message.postroom_result.status == "INVALID"


def test_some_who_did_not_get_it_are_a_result(target, caplog):
    message = a_message(to=["ada@example.com", "bounce@example.com"])

    assert message.send() == 1
    assert message.postroom_result.status == "PARTIAL"
    assert message.postroom_result.recipient_failures["bounce@example.com"].code == 550
    assert "PARTIAL" in caplog.text


def test_a_mail_that_nobody_got_raises(target):
    message = a_message(to=["bounce@example.com"])

    with pytest.raises(DeliveryFailed, match="no such user"):
        message.send()

    assert message.postroom_result.status == "REJECTED"


def test_silence_leaves_the_number_and_the_result(target):
    messages = [a_message(to=[to]) for to in ("bounce@example.com", "ada@example.com")]
    messages.append(a_message(to=["nobody"]))

    assert get_connection(fail_silently=True).send_messages(messages) == 1
    assert [m.postroom_result.status for m in messages] == [
        "REJECTED",
        "SUCCESS",
        "INVALID",
    ]


def test_no_service_raises_unless_silent():
    away = {"target": "127.0.0.1:1", "max_attempts": 1}

    assert get_connection(fail_silently=True, **away).send_messages([a_message()]) == 0
    with pytest.raises(Unavailable):
        get_connection(**away).send_messages([a_message()])


@pytest.mark.parametrize("messages", [[], None, iter(())])
def test_no_messages_are_none_sent(messages):
    assert get_connection().send_messages(messages) == 0


def test_a_message_to_nobody_is_not_sent():
    message = EmailMessage("Hello", "Hi", to=[])

    assert get_connection().send_messages([message]) == 0
    assert message.postroom_result is None


def test_settings_are_what_holds_for_all(target, service):
    with override_settings(POSTROOM_RELAY="other", POSTROOM_COMPLETION="accepted"):
        message = a_message()
        message.send()
    delivery = service.get(message.postroom_result.delivery)

    assert delivery.relay == "relays/other"
    assert not message.postroom_result.is_final
    service.settled(delivery.name)


def test_options_of_a_connection_come_before_settings(target, service):
    with override_settings(POSTROOM_RELAY="nowhere"):
        message = a_message()
        get_connection(relay="other").send_messages([message])

    assert service.get(message.postroom_result.delivery).relay == "relays/other"


def test_options_of_a_message_come_before_all(target, relay):
    message = a_message()
    message.postroom_options = {"request_id": "order-1001"}
    message.send()
    message.send()

    assert message.postroom_result.replayed
    assert len(relay.messages) == 1


def test_an_option_that_there_is_not_is_told():
    with pytest.raises(TypeError, match="no option 'username'"):
        send_mail("a", "b", None, ["ada@example.com"], auth_user="me")


def test_backends_share_one_client(target):
    with get_connection() as first, get_connection() as second:
        a_message(connection=first).send()
        a_message(connection=second).send()

    assert first._service.client is second._service.client
    assert EmailBackend(timeout=3)._service.client is not first._service.client


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ("ada@example.com", "", "ada@example.com"),
        ("=?utf-8?q?Jos=C3=A9?= <j@example.com>", "José", "j@example.com"),
        ("J. Smith <j@example.com>", "J. Smith", "j@example.com"),
        ("Zoë <zoë@bücher.example>", "Zoë", "zoë@bücher.example"),
        ('"a b"@example.com', "", '"a b"@example.com'),
        # What is not exactly one mailbox stays whole, and is refused.
        ("a@example.com, b@example.com", "", "a@example.com, b@example.com"),
        ("Lovelace, Ada <a@example.com>", "", "Lovelace, Ada <a@example.com>"),
        ("a@example.com b", "", "a@example.com b"),
        ("=?utf-8?q?a=0Ab?= <x@y.z>", "", "=?utf-8?q?a=0Ab?= <x@y.z>"),
    ],
)
def test_addresses_are_read_as_django_reads_them(text, name, address):
    mailbox = mailbox_of(text)

    assert (mailbox.name, mailbox.address) == (name, address)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        ("1 =? 2", "1 =? 2"),
        ("=?nonsense?q?a?=", "=?nonsense?q?a?="),
        ("=?utf-8?b?a?=", "=?utf-8?b?a?="),
    ],
)
def test_encoded_words_show_what_they_mean(given, shown):
    assert mail_of(a_message(subject=given))["subject"] == shown


def test_without_django_the_import_says_what_to_install():
    code = "import sys; sys.modules['django'] = None; import postroom.django"
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )

    assert "pip install 'postroom[django]'" in ran.stderr
