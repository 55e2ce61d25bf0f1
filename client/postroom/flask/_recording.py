"""Mail that is kept in place of being sent, for the tests of an application.

It is checked as a sent mail would be before it leaves; what only the service can tell
is not.  The answer is that of a relay which took it for everybody.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import uuid4

from postroom._outgoing import to_send
from postroom.arguments import SendArguments
from postroom.results import DeliveryResult, RecipientResult
from postroom.v1 import message_pb2
from postroom.words import RecipientStatus, Status


class Recorder:
    """Who records the mail of an application: nobody at first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: list[list[SendArguments]] = []

    @contextmanager
    def recording(self) -> Iterator[list[SendArguments]]:
        """A list that grows by each mail, from whatever thread, until the end."""
        record: list[SendArguments] = []
        with self._lock:
            self._records.append(record)
        try:
            yield record
        finally:
            with self._lock:
                # By identity: two empty lists are equal.
                self._records = [one for one in self._records if one is not record]

    def take(self, mail: SendArguments) -> DeliveryResult | None:
        """Record *mail*; None: nobody records.

        Raises what `Client.send` raises before it calls the service.
        """
        with self._lock:
            records = tuple(self._records)
        if not records:
            return None
        now = datetime.now(UTC)
        with to_send(None, mail, now) as found:
            message = found.request.message
        for record in records:
            record.append(mail)
        return _delivered(message, now)


def _delivered(message: message_pb2.Message, now: datetime) -> DeliveryResult:
    unique = uuid4()
    recipients = _results([*message.to, *message.cc, *message.bcc], now)
    return DeliveryResult(
        delivery=f"deliveries/{unique}",
        status=Status.SUCCESS,
        is_final=True,
        message_id=message.message_id or f"<{unique}@recorded.invalid>",
        accepted_at=now,
        sent_at=now,
        settled_at=now,
        recipients=tuple(recipients),
    )


def _results(
    mailboxes: Iterable[message_pb2.Mailbox], now: datetime
) -> Iterator[RecipientResult]:
    for address in dict.fromkeys(mailbox.address for mailbox in mailboxes):
        yield RecipientResult(
            address=address, status=RecipientStatus.DELIVERED, settled_at=now
        )
