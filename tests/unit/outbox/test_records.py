"""Deliveries, attempts and events as documents."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom_server.domain.attempt import (
    Attempt,
    AttemptOutcome,
    FailureReason,
    Phase,
    PhaseTiming,
)
from postroom_server.domain.clock import Instant
from postroom_server.domain.delivery import Delivery, Plan, Recipient, RecipientStatus
from postroom_server.domain.dsn import Dsn, DsnNotify, DsnReturn
from postroom_server.domain.events import Event
from postroom_server.domain.reply import Reply
from postroom_server.domain.submission import (
    Completion,
    OnUncertain,
    Priority,
    RetryPolicy,
)
from postroom_server.outbox.records import (
    UnreadableDelivery,
    delivery_document,
    delivery_in,
)
from postroom_server.outbox.texts import event_text

from tests.support.builders import LATER, NOW, a_delivery, an_attempt

texts = st.text(max_size=20)
instants = st.integers(0, 2**53).map(Instant)
counts = st.integers(0, 1000)
seconds = st.floats(0, 1e6)
whole_micros = st.integers(0, 10**12).map(lambda micros: micros / 1e6)
maybe = st.none() | instants
replies = st.builds(Reply, st.integers(200, 599), texts, texts, st.sampled_from(Phase))
plans = st.builds(
    Plan,
    completion=st.sampled_from(Completion),
    on_uncertain=st.sampled_from(OnUncertain),
    all_recipients_or_none=st.booleans(),
    priority=st.sampled_from(Priority),
    dsn=st.none()
    | st.builds(
        Dsn,
        notify=st.lists(st.sampled_from(DsnNotify), max_size=3).map(tuple),
        return_content=st.sampled_from(DsnReturn),
        envelope_id=texts,
        required=st.booleans(),
    ),
    retry=st.builds(
        RetryPolicy,
        disabled=st.booleans(),
        quick_delays=st.lists(seconds, max_size=3).map(tuple),
        min_delay=seconds,
        max_delay=seconds,
        max_attempts=counts,
    ),
)
recipients = st.builds(
    Recipient,
    address=texts,
    wire=texts,
    status=st.sampled_from(RecipientStatus),
    reason=st.sampled_from(FailureReason),
    reply=st.none() | replies,
    detail=texts,
    settled_at=maybe,
    in_doubt=st.booleans(),
)
attempts = st.builds(
    Attempt,
    number=counts,
    relay=texts,
    started_at=instants,
    ended_at=maybe,
    outcome=st.sampled_from(AttemptOutcome),
    phase=st.sampled_from(Phase),
    reply=st.none() | replies,
    reason=st.sampled_from(FailureReason),
    detail=texts,
    remote=texts,
    session_reused=st.booleans(),
    tls_version=texts,
    timings=st.lists(
        st.builds(PhaseTiming, st.sampled_from(Phase), whole_micros), max_size=3
    ).map(tuple),
    recipients_delivered=counts,
    recipients_refused=counts,
    recipients_deferred=counts,
)
deliveries = st.builds(
    Delivery,
    id=texts,
    tenant=texts,
    relay=texts,
    request_id=texts,
    plan=plans,
    envelope_from=texts,
    subject=texts,
    message_id=texts,
    accepted_at=instants,
    expire_at=instants,
    recipients=st.lists(recipients, min_size=1, max_size=3).map(tuple),
    metadata=st.lists(st.tuples(texts, texts), max_size=3).map(tuple),
    tags=st.lists(texts, max_size=3).map(tuple),
    size_bytes=counts,
    trace_id=texts,
    version=counts,
    send_at=maybe,
    due_at=maybe,
    leased_at=maybe,
    attempts=st.lists(attempts, max_size=3).map(tuple),
    attempts_made=counts,
    tries=counts,
    crashes=counts,
    data_marked=st.booleans(),
    uncertain_retries=counts,
    maybe_duplicate=st.booleans(),
    sent_at=maybe,
    settled_at=maybe,
    content_purged=st.booleans(),
)


def row_of(delivery: Delivery, document: str | None = None) -> tuple:
    return (
        delivery.id,
        delivery.tenant,
        delivery.relay,
        delivery.version,
        delivery.accepted_at,
        delivery.settled_at,
        int(delivery.content_purged),
        delivery.message_id,
        delivery.request_id,
        delivery_document(delivery) if document is None else document,
    )


@given(deliveries)
def test_any_delivery_is_read_back_as_it_was(delivery):
    assert delivery_in(row_of(delivery)) == delivery


def test_every_field_of_a_delivery_is_stored():
    """A field that was added to the domain must be added here and to the codec."""
    known = {
        Dsn: 4,
        Delivery: 29,
        Recipient: 8,
        Plan: 6,
        RetryPolicy: 5,
        Attempt: 16,
        Reply: 4,
    }

    told = {value: [f for f in fields(value) if f.init] for value in known}
    assert {value: len(given) for value, given in told.items()} == known


def test_what_has_its_default_value_takes_no_room():
    document = json.loads(delivery_document(a_delivery()))

    assert set(document) == {"v", "plan", "to", "from", "subj", "exp", "due"}


def test_a_document_of_an_older_version_may_lack_keys():
    document = '{"v":1,"plan":{"c":2,"u":1},"to":[{"w":"bob@example.com"}]}'
    read = delivery_in(row_of(a_delivery(), document))

    assert read.subject == ""
    assert read.recipients[0].status is RecipientStatus.PENDING
    assert read.plan.retry == RetryPolicy()


def test_keys_that_are_not_known_are_passed_over():
    delivery = a_delivery()
    document = json.loads(delivery_document(delivery)) | {"new": 1}

    assert delivery_in(row_of(delivery, json.dumps(document))) == delivery


@pytest.mark.parametrize(
    "document",
    [
        '{"v":2,"plan":{"c":2,"u":1},"to":[]}',
        '{"v":1,"plan":{"c":99,"u":1},"to":[]}',
        '{"v":1,"to":[]}',
        '{"v":1,"plan":3,"to":[]}',
        '{"plan":{"c":2,"u":1},"to":[]}',
        "[]",
        "",
    ],
)
def test_a_damaged_or_newer_document_is_told_from_others(document):
    with pytest.raises(UnreadableDelivery):
        delivery_in(row_of(a_delivery(), document))


def test_an_event_keeps_what_has_no_column():
    event = Event(
        kind=4,
        occurred_at=NOW,
        status=3,
        recipient="bob@example.com",
        attempt=2,
        reason=FailureReason.RATE,
        reply=LATER,
        detail="slow down",
        next_attempt_at=NOW,
    )

    assert json.loads(event_text(event)) == {
        "s": 3,
        "to": "bob@example.com",
        "a": 2,
        "r": 8,
        "d": "slow down",
        "n": NOW,
        "re": [451, "4.3.0", "try again", Phase.RCPT],
    }
    assert len(fields(Event)) == 9


def test_lone_surrogates_do_not_keep_a_delivery_from_being_stored():
    delivery = replace(a_delivery(), subject="\ud800")

    assert delivery_in(row_of(delivery)) == delivery


def test_how_long_a_step_took_is_stored_to_the_microsecond():
    timing = PhaseTiming(Phase.MAIL, 1.0000016)
    attempt = an_attempt(a_delivery(), timings=(timing,))
    delivery = replace(a_delivery(), attempts=(attempt,))

    (read,) = delivery_in(row_of(delivery)).attempts

    assert read.timings == (PhaseTiming(Phase.MAIL, 1.000002),)
