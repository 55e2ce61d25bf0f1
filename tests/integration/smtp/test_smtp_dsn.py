"""What a relay is asked to notify of, by what it offers."""

from __future__ import annotations

import pytest
from postroom_server.domain.attempt import FailureReason, Phase
from postroom_server.domain.dsn import Dsn, DsnNotify, DsnReturn
from postroom_server.smtp.session import open_session

from tests.support.controls import Orders, a_mail
from tests.support.relays import ALL_EXTENSIONS, PoliteRelay
from tests.support.scripted_relay import ScriptedRelay

WITHOUT = tuple(e for e in ALL_EXTENSIONS if e != "DSN")
ASKED = Dsn(
    notify=(DsnNotify.SUCCESS, DsnNotify.DELAY),
    return_content=DsnReturn.HEADERS,
    envelope_id="order 17",
)
REQUIRED = Dsn(envelope_id="x", required=True)


def sent(offer, *mails):
    """The reports, what the relay kept, and whether the session may be used again."""
    script = PoliteRelay(offer)
    with ScriptedRelay(script) as relay:
        session = open_session(relay.settings())
        reports = [session.transact(mail, Orders()) for mail in mails]
        usable = session.usable
        session.quit()
    return reports, script, usable


@pytest.mark.parametrize(
    "offer",
    [ALL_EXTENSIONS, ("DSN", "PIPELINING"), ("DSN", "CHUNKING"), ("DSN",)],
    ids=" ".join,
)
def test_a_relay_that_offers_it_is_asked(offer):
    to = ("a+b@x.example", "c@y.example")
    (report,), script, usable = sent(offer, a_mail(to=to, dsn=ASKED))
    (mail,) = script.mails

    assert report.accepted
    assert usable
    assert mail.sender.endswith(" RET=HDRS ENVID=order+2017")
    assert mail.recipients == (
        "RCPT TO:<a+b@x.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+2Bb@x.example",
        "RCPT TO:<c@y.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;c@y.example",
    )


@pytest.mark.parametrize("offer", [WITHOUT, ()], ids=["others", "nothing"])
def test_a_relay_that_does_not_never_sees_a_parameter(offer):
    (report,), script, _ = sent(offer, a_mail(dsn=ASKED))
    (mail,) = script.mails

    assert report.accepted
    assert "ENVID" not in mail.sender
    assert "RET" not in mail.sender
    assert mail.recipients == ("RCPT TO:<ada@example.com>",)


def test_a_mail_that_asks_for_nothing_is_sent_as_ever():
    _, script, _ = sent(ALL_EXTENSIONS, a_mail())

    assert script.mails[0].recipients == ("RCPT TO:<ada@example.com>",)


def test_what_is_required_and_not_offered_fails_and_leaves_the_session_as_it_was():
    reports, script, usable = sent(WITHOUT, a_mail(dsn=REQUIRED), a_mail())
    failure = reports[0].failure

    assert (failure.phase, failure.reason) == (Phase.MAIL, FailureReason.NOT_SUPPORTED)
    assert "DSN" in failure.detail
    assert reports[1].accepted
    assert usable
    assert script.verbs.count("MAIL") == 1


def test_what_is_required_and_offered_is_sent():
    (report,), script, _ = sent(ALL_EXTENSIONS, a_mail(dsn=REQUIRED))

    assert report.accepted
    assert script.mails[0].sender.endswith(" ENVID=x")


def test_an_address_that_is_not_ascii_is_named_as_utf8():
    mail = a_mail(to=("пр+и@x.example", "c@y.example"), smtputf8=True, dsn=ASKED)
    _, script, _ = sent(ALL_EXTENSIONS, mail)
    first, second = script.mails[0].recipients

    assert first.endswith(" ORCPT=utf-8;пр\\x{2B}и@x.example")
    assert second.endswith(" ORCPT=rfc822;c@y.example")
