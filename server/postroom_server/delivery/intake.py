"""From a request to an accepted delivery: validate, identify, compose, plan.

Nothing is stored here, and every problem is reported at once.  Composing comes before
accepting: the size is then known, what can't be composed is refused while the caller
still listens, and the first attempt has its bytes.
"""

from __future__ import annotations

from postroom_server.delivery.contents import Looked, damage_told, look_up
from postroom_server.delivery.mailing import Mailing, composed
from postroom_server.delivery.options import begins_at, option_problems, plan_of
from postroom_server.delivery.relay import Relay
from postroom_server.delivery.senders import check_senders, named_senders
from postroom_server.domain.clock import Clock, after
from postroom_server.domain.delivery import Delivery, Recipient
from postroom_server.domain.errors import (
    BlobNotFound,
    InvalidArgument,
    InvalidMessage,
    Problem,
)
from postroom_server.domain.familiar import Recent
from postroom_server.domain.limits import MB, Limits
from postroom_server.domain.message import AnyMessage, Octets, with_octets
from postroom_server.domain.octets import DamagedOctets, StoredOctets
from postroom_server.domain.submission import (
    RecipientPlan,
    Submission,
    ValidationReport,
)
from postroom_server.domain.validation import (
    SenderDefaults,
    ValidMessage,
    check_any,
)
from postroom_server.domain.values import value
from postroom_server.mail.composer import Composed, HeaderBlockTooLarge
from postroom_server.mail.identity import new_identity
from postroom_server.outbox.ids import new_id
from postroom_server.outbox.store import Blobs, Content


@value(frozen=True, slots=True)
class Ready:
    """A mail that can be accepted: the delivery to be, and its bytes."""

    delivery: Delivery
    content: Content
    composed: Composed
    valid: ValidMessage

    @property
    def mailing(self) -> Mailing:
        """What the first attempt sends."""
        return Mailing.ready(self.delivery, self.content, self.composed)


class Intake:
    """Turns submissions into deliveries that are ready to be stored."""

    def __init__(self, clock: Clock, limits: Limits, blobs: Blobs) -> None:
        self._clock = clock
        self._limits = limits
        self._blobs = blobs
        self._recent = Recent()

    def prepare(self, submission: Submission, relay: Relay) -> Ready:
        """*submission* made ready for *relay*.

        Raises `InvalidMessage` or `InvalidArgument` with every problem, and
        `BlobNotFound`.
        """
        now = self._clock.now()
        begins = begins_at(submission.send_at, now)
        looked = look_up(submission, self._blobs, self._limits)
        try:
            valid = self._check(submission, relay, looked)
            identity = new_identity(valid.message, begins, valid.message_id)
            content = Content(self._known(submission.tenant, valid), identity)
            bytes_ = self._compose(content)
        except DamagedOctets as error:
            raise damage_told(error, looked.contents) from error
        delivery = Delivery(
            id=new_id(now),
            tenant=submission.tenant,
            relay=relay.id,
            request_id=submission.request_id,
            plan=plan_of(submission, relay.retry),
            envelope_from=valid.envelope_from.wire if valid.envelope_from else "",
            subject=valid.message.subject,
            message_id=identity.message_id,
            accepted_at=now,
            send_at=begins if begins > now else None,
            expire_at=submission.expire_at
            or after(begins, self._limits.default_expiry),
            recipients=_recipients(valid.message),
            metadata=submission.metadata,
            tags=submission.tags,
            size_bytes=bytes_.size,
            trace_id=submission.trace_id,
            due_at=begins,
        )
        return Ready(delivery, content, bytes_, valid)

    def check_header(self, submission: Submission, relay: Relay) -> None:
        """Check all of *submission* that needs none of the parts that are to come.

        Raises `InvalidMessage`, `InvalidArgument` or `BlobNotFound`.
        """
        looked = look_up(submission, self._blobs, self._limits, to_come=True)
        try:
            self._check(submission, relay, looked)
        except DamagedOctets as error:
            raise damage_told(error, looked.contents) from error

    def _check(
        self, submission: Submission, relay: Relay, looked: Looked
    ) -> ValidMessage:
        others = option_problems(
            submission, relay.retry, self._clock.now(), self._limits
        )
        defaults = SenderDefaults(relay.from_address, relay.envelope_from)
        try:
            valid = check_any(
                submission.message, defaults, self._limits, looked.contents
            )
        except InvalidMessage as error:
            found = (*error.problems, *looked.problems, *others)
            raise InvalidMessage(found) from None
        if looked.problems:
            raise InvalidMessage((*looked.problems, *others))
        if others:
            raise InvalidArgument(others)
        if looked.missing:
            raise BlobNotFound(looked.missing)
        check_senders(submission.senders, named_senders(valid, submission.message))
        return valid

    def _known(self, tenant: str, valid: ValidMessage) -> AnyMessage:
        """The message, with what came before known again."""

        def known(octets: Octets) -> Octets:
            if isinstance(octets, StoredOctets):
                return octets
            return self._recent.known(tenant, octets)

        return with_octets(valid.message, known)

    def _compose(self, content: Content) -> Composed:
        try:
            bytes_ = composed(content)
        except HeaderBlockTooLarge as error:
            raise InvalidMessage([Problem("message.headers", str(error))]) from None
        most = self._limits.max_header_block_bytes
        if bytes_.header_size > most:
            problem = f"the header is larger than {most:,} octets when encoded"
            raise InvalidMessage([Problem("message.headers", problem)])
        if bytes_.size > self._limits.max_message_bytes:
            limit = self._limits.max_message_bytes / MB
            problem = f"the composed mail is larger than {limit:g} MB"
            raise InvalidMessage([Problem("message", problem)])
        return bytes_


def report(ready: Ready) -> ValidationReport:
    """What would be sent."""
    delivery = ready.delivery
    return report_of(delivery, delivery.size_bytes, ready.valid.warnings)


def report_of(
    delivery: Delivery, size: int, warnings: tuple[str, ...] = ()
) -> ValidationReport:
    """What is sent for *delivery*, whose bytes are *size* octets."""
    return ValidationReport(
        size_bytes=size,
        relay=delivery.relay_name,
        envelope_from=delivery.envelope_from or "<>",
        recipients=tuple(RecipientPlan(r.address, r.wire) for r in delivery.recipients),
        warnings=warnings,
    )


def _recipients(message: AnyMessage) -> tuple[Recipient, ...]:
    return tuple(
        [
            Recipient(address=address.given, wire=address.wire)
            for address in message.recipients()
        ]
    )
