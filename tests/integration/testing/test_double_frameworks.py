"""The double behind Django's and Flask's own ways to send mail."""

from __future__ import annotations

import os

import pytest
from django.core.mail import send_mail
from django.test.utils import override_settings
from flask import Flask
from postroom import Status, _service
from postroom.flask import Postroom

from tests.support import django_mail

django_mail.configure()


@pytest.fixture(autouse=True)
def closed_clients():
    """Close the clients that this process made through settings."""
    yield
    for owner in [owner for owner in _service._clients if owner[0] == os.getpid()]:
        _service._clients.pop(owner).close()


def test_mail_of_django_arrives(postroom):
    with override_settings(POSTROOM_TARGET=postroom.target):
        send_mail("Hello", "It works.", None, ["ada@example.com"])

    mail = postroom.inbox.one(to="ada@example.com")
    assert (mail.subject, mail.text) == ("Hello", "It works.")


def test_mail_of_flask_arrives(postroom):
    app = Flask("shop")
    app.config["POSTROOM_TARGET"] = postroom.target
    mail = Postroom(app)
    postroom.relay.refuse("bob@example.com")
    with app.app_context():
        result = mail.send(
            to=["ada@example.com", "bob@example.com"], subject="Hello", text="Hi"
        )

    assert result.status is Status.PARTIAL
    assert postroom.inbox.one().recipients == ("ada@example.com",)
