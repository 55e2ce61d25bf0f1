"""Django with settings for tests, and its messages."""

from __future__ import annotations

from email.message import EmailMessage as Mime
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives


def configure() -> None:
    """Give Django the settings of all tests; once in a process, as it allows."""
    if not settings.configured:
        settings.configure(
            EMAIL_BACKEND="postroom.django.EmailBackend",
            DEFAULT_FROM_EMAIL="Shop <shop@example.com>",
            SERVER_EMAIL="root@example.com",
            MANAGERS=[("Grace", "grace@example.com")],
        )


def a_message(kind: Any = EmailMultiAlternatives, **fields: Any) -> Any:
    """A message of Django; *fields* replace its own."""
    defaults = {"subject": "Hello", "body": "It works.", "to": ["ada@example.com"]}
    return kind(**{**defaults, **fields})


def the_file(mail: Mime) -> Mime:
    """The only attachment."""
    (part,) = mail.iter_attachments()
    return part
