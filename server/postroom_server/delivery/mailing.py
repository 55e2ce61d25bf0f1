"""What exactly is offered to the relay: the transaction for a delivery's open
recipients, in the form that this relay can take (RFC 6531, RFC 6857).

Everything is composed 7-bit, so only addresses can ask for more than every relay has:
a mail with a non-ASCII local part has two forms, and which one goes is known when the
session's EHLO is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from queue import SimpleQueue

from postroom_server.delivery.findings import Finding, Found
from postroom_server.domain.attempt import FailureReason
from postroom_server.domain.delivery import Delivery, Recipient
from postroom_server.domain.dsn import Dsn
from postroom_server.domain.message import RawMessage
from postroom_server.domain.values import value
from postroom_server.mail.composer import Composed, Form, compose
from postroom_server.outbox.store import Content
from postroom_server.smtp.transaction import Transaction

COMPOSING_AT_ONCE = 2
"""Composing is pure computing: more threads at it only delay everybody else."""

# A semaphore takes seven calls in Python to go through, this two in C.
_composing: SimpleQueue[None] = SimpleQueue()
for _ in range(COMPOSING_AT_ONCE):
    _composing.put(None)

_UNSUPPORTED = (
    "5.6.7 the address is not ASCII and the relay does not offer SMTPUTF8"  # RFC 6531
)


def composed(content: Content, form: Form = Form.ASCII) -> Composed:
    """The bytes of *content*; few threads compose at once, the others wait."""
    _composing.get()
    try:
        return compose(content.message, content.identity, form)
    finally:
        _composing.put(None)


@value(frozen=True, slots=True)
class Offer:
    """What to send, or None when nobody is left; and who can't be sent to at all."""

    transaction: Transaction | None
    impossible: Mapping[str, Finding] = field(default_factory=dict)


@dataclass(slots=True)
class Mailing:
    """A delivery's content, composed when it is needed and once for each form."""

    delivery: Delivery
    content: Content
    _forms: dict[Form, Composed] = field(default_factory=dict)

    @classmethod
    def ready(cls, delivery: Delivery, content: Content, ascii_: Composed) -> Mailing:
        """A mailing that was composed already."""
        return cls(delivery, content, {Form.ASCII: ascii_})

    @property
    def needs_smtputf8(self) -> bool:
        """Whether an address in it has a form that only SMTPUTF8 can carry."""
        wires = "".join([r.wire for r in self.delivery.recipients])
        return self.content.message.needs_smtputf8 or not wires.isascii()

    def compose(self, form: Form = Form.ASCII) -> Composed:
        """The bytes in *form*."""
        if form not in self._forms:
            self._forms[form] = composed(self._dated, form)
        return self._forms[form]

    @property
    def _dated(self) -> Content:
        """The content; of mail for later, dated when it begins.

        That can be moved until the first attempt, and is fixed from then on.
        """
        send_at = self.delivery.send_at
        if send_at is None:
            return self.content
        identity = replace(self.content.identity, date_at=send_at)
        return replace(self.content, identity=identity)

    def offer(self, *, smtputf8: bool) -> Offer:
        """The transaction for a relay that offers SMTPUTF8 or does not."""
        recipients = self.delivery.open_recipients
        if not self.needs_smtputf8:
            return Offer(self._transaction(recipients, Form.ASCII))
        if smtputf8:
            return Offer(self._transaction(recipients, Form.UTF8))
        if self.needs_utf8_form:
            return Offer(None, {r.wire: _impossible() for r in recipients})
        possible = tuple(r for r in recipients if r.wire.isascii())
        impossible = {r.wire: _impossible() for r in recipients if r not in possible}
        if not possible or (impossible and self.delivery.plan.all_recipients_or_none):
            withheld = Finding(
                Found.WITHHELD, detail="another recipient can't be sent to"
            )
            return Offer(None, {**{r.wire: withheld for r in possible}, **impossible})
        return Offer(self._transaction(possible, Form.ASCII), impossible)

    @property
    def needs_utf8_form(self) -> bool:
        """Whether no relay without SMTPUTF8 can take it, whoever it goes to."""
        message = self.content.message
        if isinstance(message, RawMessage):
            shown = message.needs_smtputf8
        else:
            shown = message.from_mailbox.address.needs_smtputf8
        return shown or not self.delivery.envelope_from.isascii()

    def _transaction(
        self, recipients: tuple[Recipient, ...], form: Form
    ) -> Transaction:
        content = self.compose(form)
        plan = self.delivery.plan
        return Transaction(
            reverse_path=self.delivery.envelope_from,
            recipients=tuple([r.wire for r in recipients]),
            chunks=content.chunks,
            size=content.size,
            smtputf8=form is Form.UTF8,
            eight_bit=content.is_8bit,
            all_or_none=plan.all_recipients_or_none,
            wait_before_data=plan.holds_when_uncertain,
            dsn=self._dsn(),
        )

    def _dsn(self) -> Dsn | None:
        dsn = self.delivery.plan.dsn
        if dsn is None or dsn.envelope_id:
            return dsn
        return replace(dsn, envelope_id=self.delivery.id)


def _impossible() -> Finding:
    return Finding(Found.FAILED, FailureReason.NOT_SUPPORTED, detail=_UNSUPPORTED)
