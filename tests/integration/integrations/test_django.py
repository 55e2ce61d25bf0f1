"""Django's messages, sent through its own functions to the real service."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

import pytest
from django.core.mail import (
    BadHeaderError,
    EmailMessage,
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

from tests.support.django_mail import a_message, the_file


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


def test_the_result_is_on_the_message(target):
    message = a_message()
    message.send()

    assert message.postroom_result.delivered
    assert message.postroom_result.recipients[0].address == "ada@example.com"


def test_a_message_that_is_not_valid_tells_all_of_it(target):
    message = a_message(to=["nobody"], cc=["nobody too"])

    with pytest.raises(InvalidRequest) as caught:
        message.send()

    fields = {violation.field for violation in caught.value.violations}
    assert fields == {"message.to[0].address", "message.cc[0].address"}
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


def test_a_message_can_be_for_later(target, relay, service):
    message = a_message()
    message.postroom_options = {"send_at": timedelta(hours=1), "priority": "bulk"}

    assert message.send() == 1
    assert message.postroom_result.status == "QUEUED"
    assert service.get(message.postroom_result.delivery).HasField("send_at")
    assert relay.messages == ()


def test_an_option_that_there_is_not_is_told():
    with pytest.raises(TypeError, match="no option 'colour'"):
        get_connection(colour="red")


def test_the_log_in_of_djangos_own_backend_means_nothing(target):
    to = ["ada@example.com"]

    assert send_mail("a", "b", None, to, auth_user="me", auth_password="s3cret") == 1


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
