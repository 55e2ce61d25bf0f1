"""What a Django message can carry beside the mail."""

from __future__ import annotations

from django.utils.functional import lazystr
from postroom.django._mail import mail_of

from tests.support.django_mail import a_message


def test_tags_and_metadata_are_attributes_of_the_message():
    message = a_message()
    message.tags = ["receipt", lazystr("b")]
    message.metadata = {"order": 1001, "who": lazystr("ada")}
    mail = mail_of(message)

    assert mail["tags"] == ["receipt", "b"]
    assert mail["metadata"] == {"order": "1001", "who": "ada"}


def test_options_come_before_attributes():
    message = a_message()
    message.tags = ["receipt"]
    message.postroom_options = {"tags": ["other"]}

    assert mail_of(message)["tags"] == ["other"]


def test_a_message_without_labels_has_none():
    assert not {"tags", "metadata"} & {*mail_of(a_message())}
