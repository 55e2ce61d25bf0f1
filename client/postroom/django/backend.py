"""The e-mail backend: Django's messages in, the number of those sent out.

What became of each message is its `postroom_result`.  As with Django's own backend
for SMTP, a message that some recipients got and others did not counts as sent; one
that nobody got raises, unless the caller wants to be told by the number alone.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from postroom._service import Service, options_from
from postroom.django._composed import composed, needs_django
from postroom.django._mail import labels, mail_of
from postroom.errors import DeliveryFailed, InvalidRequest, PostroomError
from postroom.results import DeliveryResult
from postroom.words import RecipientStatus

# Options of Django's own backend, which callers of `send_mail` may give to any.
_OF_SMTP = ("username", "password")

logger = logging.getLogger("postroom")


class EmailBackend(BaseEmailBackend):
    """Sends through the service that the settings POSTROOM_... describe.

    Options of `get_connection`, or OPTIONS of a mailer, come before the settings;
    their names are those of the settings in small letters: *target*, *relay*.
    There is nothing to open or close: all backends of a process share one client.
    """

    def __init__(
        self,
        fail_silently: bool = False,  # noqa: FBT001, FBT002  as Django calls it
        *,
        alias: str | None = None,
        _ignore_unknown_kwargs: Iterable[str] = (),
        **options: Any,  # noqa: ANN401  as their names say
    ) -> None:
        """Raises `TypeError` for an option that there is not."""
        super().__init__()
        self.alias = alias
        self.fail_silently = fail_silently
        configured = options_from(lambda name: getattr(settings, name, None))
        given = {
            name: value
            for name, value in options.items()
            if value is not None and name not in _OF_SMTP
        }
        self._service = Service.of({**configured, **given})

    def send_messages(self, email_messages: Iterable[EmailMessage]) -> int:
        """Send them one after the other; returns how many were sent.

        Raises `BadHeaderError` for a line break in a header, `InvalidRequest` for
        what is not valid or can't be sent, `DeliveryFailed` for a message that no
        recipient got, and `PostroomError` where the service gave an error.  Of these
        *fail_silently* leaves only the first.
        """
        return sum(self._send(message) for message in email_messages or ())

    def _send(self, message: Any) -> bool:  # noqa: ANN401  an EmailMessage, which gets an attribute
        message.postroom_result = None
        if not message.recipients():
            return False
        _check_headers(message)
        try:
            message.postroom_result = self._result(message)
            return _is_sent(message.postroom_result)
        except PostroomError as error:
            if isinstance(error, InvalidRequest):
                message.postroom_result = error.result
            if self.fail_silently:
                return False
            raise

    def _result(self, message: EmailMessage) -> DeliveryResult:
        if not needs_django(message):
            return self._service.send(mail_of(message))
        options = {**labels(message), **getattr(message, "postroom_options", {})}
        return self._service.send_raw(composed(message), options)


def _is_sent(result: DeliveryResult) -> bool:
    """Whether it counts; raises `DeliveryFailed` where nobody got it."""
    if result.ok:
        return True
    if not any(r.status is RecipientStatus.DELIVERED for r in result.recipients):
        raise DeliveryFailed.of(result)
    logger.warning("%s: not all recipients got it: %s", result.delivery, result.status)
    return True


def _check_headers(message: EmailMessage) -> None:
    """Have Django complain of headers as it does when it composes them."""
    headers_only = copy.copy(message)
    headers_only.body, headers_only.attachments = "", []
    if hasattr(headers_only, "alternatives"):
        headers_only.alternatives = []
    if "message-id" not in map(str.lower, message.extra_headers):
        # To make one up, Django would look up the name of this machine.
        own = {"Message-ID": "<checked@localhost>"}
        headers_only.extra_headers = {**message.extra_headers, **own}
    EmailMessage.message(headers_only)
