"""Messages that only Django can compose: they arrive as it composes them."""

from __future__ import annotations

from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest
from django.core.mail import BadHeaderError, EmailMessage, EmailMultiAlternatives
from django.test.utils import override_settings
from postroom import InvalidRequest

from tests.support.django_mail import a_message, the_file


@pytest.mark.parametrize(
    "media_type", ["text/calendar", "text/x-amp-html", "application/json"]
)
def test_alternatives_of_any_type_arrive_as_such(received, media_type):
    message = a_message()
    message.attach_alternative("<p>Hi", "text/html")
    message.attach_alternative("BEGIN:ü", media_type)
    message.send()
    mail = received()[2]
    kinds = [part.get_content_type() for part in mail.iter_parts()]

    assert mail.get_content_type() == "multipart/alternative"
    assert kinds == ["text/plain", "text/html", media_type]


def test_a_second_html_body_arrives(received):
    message = a_message()
    message.attach_alternative("<p>1", "text/html")
    message.attach_alternative("<p>2", "text/html")
    message.send()
    bodies = [part.get_content() for part in received()[2].iter_parts()]

    assert [body.strip() for body in bodies] == ["It works.", "<p>1", "<p>2"]


def test_a_message_that_composes_itself_is_what_arrives(received):
    class Signed(EmailMessage):
        def message(self, *given, **named):
            mail = super().message(*given, **named)
            mail["X-Signed"] = "yes"
            return mail

    a_message(Signed, body="Grüße", bcc=["eve@example.com"]).send()
    _, recipients, mail = received()

    assert mail["X-Signed"] == "yes"
    assert mail.get_content().strip() == "Grüße"
    assert recipients == ["ada@example.com", "eve@example.com"]
    assert "eve" not in str(mail)


def test_a_mail_without_a_subject_is_sent(received):
    a_message(subject="").send()

    assert received()[2]["Subject"] in {None, ""}


def test_a_to_header_may_name_who_gets_no_mail(received):
    a_message(headers={"To": "The list <list@example.com>"}).send()
    _, recipients, mail = received()

    assert recipients == ["ada@example.com"]
    assert mail["To"] == "The list <list@example.com>"


def test_a_date_header_is_kept(received):
    date = "Fri, 09 Nov 2001 01:08:47 -0000"
    a_message(headers={"Date": date}).send()

    assert received()[2].get_all("Date") == [date]


def test_a_part_of_several_parts_arrives_whole(received):
    part = MIMEMultipart("mixed", None, [MIMEText("a"), MIMEText("b")])
    a_message(attachments=[part]).send()

    assert [p.get_content() for p in the_file(received()[2]).iter_parts()] == ["a", "b"]


def test_an_empty_file_arrives(received):
    a_message(attachments=[("empty.txt", "", "text/plain")]).send()

    assert the_file(received()[2]).get_filename() == "empty.txt"


def test_what_django_composes_leaves_in_seven_bits(relay, target):
    message = a_message(body="ü" * 2000)
    message.attach_alternative("ü" * 2000, "text/calendar")
    message.send()

    assert relay.messages[-1].data.isascii()


def test_the_envelope_is_that_of_django(received):
    message = a_message(
        subject="", from_email="Ann <bounces@example.com>", headers={"From": "b@c.org"}
    )
    message.send()
    sender, _, mail = received()

    assert (sender, mail["From"]) == ("bounces@example.com", "b@c.org")


def test_settings_that_make_up_a_mail_do_not_change_it(received):
    with override_settings(POSTROOM_REPLY_TO="r@example.com", POSTROOM_RELAY="other"):
        message = a_message(subject="")
        message.send()

    assert received()[2]["Reply-To"] is None


def test_parts_can_not_be_added_to_what_is_composed(target, relay):
    message = a_message(EmailMultiAlternatives, subject="")
    message.postroom_options = {"html": "<p>more"}

    with pytest.raises(InvalidRequest, match="html: can't be set"):
        message.send()

    assert relay.messages == ()


def test_a_sender_without_a_domain_is_refused_by_its_field(target, relay):
    with pytest.raises(InvalidRequest) as caught:
        a_message(subject="", from_email="ann@example..com").send()

    fields = {violation.field for violation in caught.value.violations}
    assert "raw_message.envelope_from" in fields
    assert relay.messages == ()


def test_labels_go_with_what_is_composed(service, target):
    message = a_message(subject="")
    message.tags = ["receipt"]
    message.send()

    assert list(service.get(message.postroom_result.delivery).tags) == ["receipt"]


def test_a_line_break_in_a_header_is_an_error_of_django(target, relay):
    with pytest.raises(BadHeaderError):
        a_message(subject="", headers={"X-A": "b\nBcc: eve@example.com"}).send()

    assert relay.messages == ()
