"""Orders that are taken back, and deadlines that pass."""

from __future__ import annotations

import threading

import pytest
from postroom_server.domain.attempt import FailureReason, Phase
from postroom_server.smtp.session import open_session
from postroom_server.smtp.timeouts import Deadline

from tests.support.controls import Orders, a_mail
from tests.support.relays import PoliteRelay, plays, ready, then
from tests.support.scripted_relay import PATIENCE, Peer, ScriptedRelay

LARGE = b"0123456789abcdef0123456789abcdef0123456789\r\n" * 200_000
ENVELOPE = "C: MAIL .+\nC: RCPT .+\nC: DATA\n"
YES = "S: 250 ok\nS: 250 ok\nS: 354 go on"


def offered(script, mail=None, orders=None, **settings):
    with ScriptedRelay(script) as relay:
        session = open_session(relay.settings(**settings))
        report = session.transact(mail or a_mail(), orders or Orders())
        usable = session.usable
        session.close()
    return report, usable


@pytest.mark.parametrize(
    ("transcript", "phase"),
    [("C: MAIL .+", Phase.MAIL), ("C: MAIL .+\nS: 250 ok\nC: RCPT .+", Phase.RCPT)],
)
def test_a_deadline_ends_a_wait_before_the_content(transcript, phase):
    with ScriptedRelay(then(ready(), plays(transcript), Peer.expect_end)) as relay:
        session = open_session(relay.settings())
        # Enough to come as far as that, on any machine.
        report = session.transact(a_mail(), Orders(Deadline.after(1.0)))
        usable = session.usable
        session.close()

    assert (report.phase, report.failure.reason) == (phase, FailureReason.DEADLINE)
    assert not usable


def test_after_the_end_of_data_the_deadline_no_longer_counts():
    passed = threading.Event()

    class Hurried(Orders):
        def pass_end_of_data(self) -> bool:
            self.deadline = Deadline.after(-1)
            passed.set()
            return super().pass_end_of_data()

    def script(peer: Peer) -> None:
        ready("PIPELINING")(peer)
        peer.play(ENVELOPE + YES)
        peer.data()
        assert passed.wait(PATIENCE)
        peer.say("250 queued")

    report, _ = offered(script, orders=Hurried())

    assert report.accepted


@pytest.mark.parametrize(
    ("offer", "mail", "usable_after", "verbs"),
    [
        (("PIPELINING", "CHUNKING"), a_mail(), True, ["EHLO", "RSET"]),
        (("CHUNKING",), a_mail(), True, ["EHLO", "MAIL", "RCPT", "RSET"]),
        (("PIPELINING",), a_mail(), False, ["EHLO", "MAIL", "RCPT", "DATA"]),
        ((), a_mail(), False, ["EHLO", "MAIL", "RCPT", "DATA"]),
    ],
)
def test_a_mail_called_off_at_the_end_of_data_never_leaves(
    offer, mail, usable_after, verbs
):
    script = PoliteRelay(extensions=offer)
    orders = Orders(go=False)
    report, usable = offered(script, mail, orders)

    assert report.called_off
    assert not report.end_of_data_sent
    assert not report.in_doubt
    assert orders.passed == 1
    assert script.mails == []
    assert script.verbs == verbs
    assert usable is usable_after


def test_a_mail_called_off_after_354_is_not_followed_by_a_single_octet():
    script = then(ready("PIPELINING"), plays(ENVELOPE + YES), Peer.expect_end)
    report, usable = offered(script, orders=Orders(go=False))

    assert report.called_off
    assert report.phase is Phase.BODY
    assert report.failure is None
    assert not usable


def test_a_large_mail_called_off_is_not_completed():
    script = PoliteRelay(extensions=("PIPELINING", "CHUNKING"))
    report, usable = offered(
        script, a_mail(LARGE), Orders(go=False), one_flight=len(LARGE)
    )

    assert report.called_off
    assert script.mails == []
    assert not usable


def test_an_abort_breaks_a_wait_off():
    asked = threading.Event()

    def script(peer: Peer) -> None:
        ready()(peer)
        peer.expect("MAIL .+")
        asked.set()
        peer.expect_end()

    orders = Orders()

    def abort() -> None:
        assert asked.wait(PATIENCE)
        orders.abort()

    aborter = threading.Thread(target=abort)
    aborter.start()
    report, usable = offered(script, orders=orders)
    aborter.join(PATIENCE)

    assert report.called_off
    assert report.failure.reason is FailureReason.DEADLINE
    assert not report.in_doubt
    assert not usable


def test_an_abort_that_comes_late_harms_neither_this_mail_nor_the_next():
    class Late(Orders):
        def pass_end_of_data(self) -> bool:
            self.late = self.abort
            return super().pass_end_of_data()

    def script(peer: Peer) -> None:
        ready("PIPELINING")(peer)
        peer.play(ENVELOPE + YES)
        peer.data()
        orders.late()
        peer.say("250 queued")
        orders.late()
        peer.play(ENVELOPE + YES)
        peer.data()
        peer.play("S: 250 queued\nC: QUIT\nS: 221 bye")

    orders = Late()
    with ScriptedRelay(script) as relay:
        session = open_session(relay.settings())
        first = session.transact(a_mail(), orders)
        second = session.transact(a_mail(), Orders())
        session.quit()

    assert first.accepted
    assert not first.called_off
    assert second.accepted
