from __future__ import annotations

from dataclasses import replace

import pytest
from postroom_server.delivery.findings import Found
from postroom_server.delivery.mailing import Mailing
from postroom_server.domain.clock import Instant
from postroom_server.domain.delivery import RecipientStatus
from postroom_server.mail.headers import rfc5322_date

from tests.support.builders import (
    DAY,
    NOW,
    a_content,
    a_delivery,
    a_mailbox,
    a_plan,
)

ADA, JOERG = "ada@example.com", "jörg@example.com"


TOMORROW = Instant(NOW + DAY)


def a_mailing(*to, **plan):
    return Mailing(a_delivery(*to, plan=a_plan(**plan)), a_content(*to))


def found(offer):
    return {wire: finding.found for wire, finding in offer.impossible.items()}


def test_a_relay_that_takes_utf8_gets_everybody_in_one_transaction():
    offer = a_mailing(ADA, JOERG).offer(smtputf8=True)

    assert offer.transaction.recipients == (ADA, JOERG)
    assert offer.transaction.smtputf8
    assert found(offer) == {}


def test_without_it_a_recipient_that_needs_it_fails_alone():
    offer = a_mailing(ADA, JOERG).offer(smtputf8=False)

    assert offer.transaction.recipients == (ADA,)
    assert not offer.transaction.smtputf8
    assert found(offer) == {JOERG: Found.FAILED}


def test_all_or_none_sends_to_nobody_when_one_can_not_be_sent_to():
    offer = a_mailing(ADA, JOERG, all_recipients_or_none=True).offer(smtputf8=False)

    assert offer.transaction is None
    assert found(offer) == {ADA: Found.WITHHELD, JOERG: Found.FAILED}


@pytest.mark.parametrize("smtputf8", [True, False])
def test_a_sender_that_needs_it_fails_the_mail_without_it(smtputf8):
    content = a_content(ADA, from_mailbox=a_mailbox(JOERG))
    delivery = replace(a_delivery(ADA), envelope_from=JOERG)

    offer = Mailing(delivery, content).offer(smtputf8=smtputf8)

    assert (offer.transaction is not None) == smtputf8
    assert found(offer) == ({} if smtputf8 else {ADA: Found.FAILED})


def test_those_who_have_it_are_offered_to_nobody():
    mailing = a_mailing(ADA, "bob@example.com")
    ada, bob = mailing.delivery.recipients
    done = replace(ada, status=RecipientStatus.DELIVERED)
    half = Mailing(replace(mailing.delivery, recipients=(done, bob)), mailing.content)

    assert half.offer(smtputf8=False).transaction.recipients == ("bob@example.com",)


def test_mail_for_later_is_dated_when_it_begins_and_has_the_same_size():
    delivery, content = a_delivery(ADA), a_content(ADA)
    now = Mailing(delivery, content).compose()
    later = Mailing(replace(delivery, send_at=TOMORROW), content).compose()
    date = rfc5322_date(TOMORROW)

    assert f"Date: {date}\r\n".encode() in b"".join(later.chunks)
    assert later.size == now.size
