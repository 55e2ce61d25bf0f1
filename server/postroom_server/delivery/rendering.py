"""The bytes that would be sent, or were: for callers who want to see them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from postroom_server.delivery.intake import Intake, report, report_of
from postroom_server.delivery.mailing import Mailing
from postroom_server.delivery.relays import Relays
from postroom_server.domain.delivery import Delivery, RecipientStatus
from postroom_server.domain.errors import (
    BlobNotFound,
    ContentPurged,
    DeliveryNotFound,
    PostroomError,
)
from postroom_server.domain.octets import DamagedOctets
from postroom_server.domain.references import BLOBS
from postroom_server.domain.submission import Submission, ValidationReport
from postroom_server.mail.composer import Form
from postroom_server.outbox.store import Outbox


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail's bytes in *chunks*, *size* in all, and what else is told of it.

    The chunks come once.  Where stored octets turn out to be gone or damaged they end
    with `ContentPurged`, or with `BlobNotFound` for a mail that is not stored.
    """

    report: ValidationReport
    message_id: str
    size: int
    chunks: Iterable[bytes]


@dataclass(frozen=True, slots=True)
class Rendering:
    """Shows mails; nothing is stored."""

    outbox: Outbox
    relays: Relays
    intake: Intake

    def submission(self, submission: Submission) -> Rendered:
        """The mail as it would be sent now; raises as sending it would."""
        relay = self.relays.find(submission.relay)
        ready = self.intake.prepare(submission, relay)
        bytes_ = ready.composed
        message_id = ready.delivery.message_id
        chunks = _told(bytes_.chunks, lambda e: BlobNotFound(f"{BLOBS}{e.sha256}"))
        return Rendered(report(ready), message_id, bytes_.size, chunks)

    def delivery(self, tenant: str, delivery_id: str) -> Rendered:
        """The stored mail; raises `DeliveryNotFound` or `ContentPurged`."""
        delivery = self.outbox.get(tenant, delivery_id)
        if delivery is None:
            raise DeliveryNotFound(f"deliveries/{delivery_id}")
        content = None if delivery.content_purged else self.outbox.content(delivery.id)
        gone = ContentPurged("its bytes are gone", delivery.name)
        if content is None:
            raise gone
        mailing = Mailing(delivery, content)
        form = Form.UTF8 if _went_as_utf8(delivery, mailing) else Form.ASCII
        try:
            bytes_ = mailing.compose(form)
        except DamagedOctets as error:
            raise gone from error
        chunks = _told(bytes_.chunks, lambda _: gone)
        told = report_of(delivery, bytes_.size)
        return Rendered(told, delivery.message_id, bytes_.size, chunks)


def _told(
    chunks: Iterable[bytes], error_for: Callable[[DamagedOctets], PostroomError]
) -> Iterator[bytes]:
    """*chunks*, with another error where octets can't be read."""
    try:
        yield from chunks
    except DamagedOctets as error:
        raise error_for(error) from error


def _went_as_utf8(delivery: Delivery, mailing: Mailing) -> bool:
    """Whether its one form with non-ASCII addresses was, or must be, the one sent."""
    if mailing.needs_utf8_form:
        return True
    return any(
        r.status is RecipientStatus.DELIVERED and not r.wire.isascii()
        for r in delivery.recipients
    )
