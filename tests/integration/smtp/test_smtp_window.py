"""Mails that overlap in one session: what rides with what, and who waits for whom."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from postroom_server.domain.attempt import FailureReason
from postroom_server.smtp.pool import SessionPool
from postroom_server.smtp.session import Session, open_session
from postroom_server.smtp.settings import Encryption, PoolSettings
from postroom_server.smtp.timeouts import NOT_AT_ALL

from tests.support.certificates import good
from tests.support.controls import Orders, a_mail
from tests.support.relays import PoliteRelay, ready
from tests.support.scripted_relay import PATIENCE, Peer, ScriptedRelay

ENVELOPE = """
    C: MAIL FROM:<me@example.com>
    C: RCPT TO:<{to}@example.com>
    C: DATA
"""


def mail_to(name: str, **fields: object):
    return a_mail(to=(f"{name}@example.com",), **fields)


class Pair:
    """Two mails on one session with a relay that offers PIPELINING alone.

    The second is offered once the first's end of data has left.
    """

    def __init__(self, rest: Callable[[Peer], None]) -> None:
        self.sealed = threading.Event()
        self.second = Orders()
        self._rest = rest

    def run(self, second=None) -> tuple:
        def script(peer: Peer) -> None:
            ready("PIPELINING")(peer)
            peer.play(ENVELOPE.format(to="one"))
            peer.say("250 ok", "250 ok", "354 go on")
            peer.data()
            self._rest(peer)

        with ScriptedRelay(script) as relay, ThreadPoolExecutor(2) as threads:
            session = open_session(relay.settings())
            session.on_room(self.sealed.set)
            first = threads.submit(session.transact, mail_to("one"), Orders())
            assert self.sealed.wait(PATIENCE)
            other = threads.submit(
                session.transact, second or mail_to("two"), self.second
            )
            reports = first.result(PATIENCE), other.result(PATIENCE)
            usable = session.usable
            session.quit()
        return (*reports, usable)


def test_the_next_envelope_goes_behind_this_ones_end_of_data():
    def rest(peer: Peer) -> None:
        peer.play(ENVELOPE.format(to="two"))
        peer.say("250 taken one", "250 ok", "250 ok", "354 go on")
        peer.data()
        peer.say("250 taken two")
        peer.play("C: QUIT\nS: 221 bye")

    first, second, usable = Pair(rest).run()

    assert first.final.text == "taken one"
    assert second.final.text == "taken two"
    assert usable


def test_a_refused_content_says_nothing_of_the_mail_behind_it():
    def rest(peer: Peer) -> None:
        peer.play(ENVELOPE.format(to="two"))
        peer.say("554 5.6.0 not this", "250 ok", "250 ok", "354 go on")
        peer.data()
        peer.say("250 taken two")
        peer.play("C: QUIT\nS: 221 bye")

    first, second, usable = Pair(rest).run()

    assert first.final.code == 554
    assert second.accepted
    assert usable


def test_of_a_pair_that_breaks_only_the_first_is_in_doubt():
    def rest(peer: Peer) -> None:
        peer.play(ENVELOPE.format(to="two"))

    first, second, usable = Pair(rest).run()

    assert first.in_doubt
    assert not first.failure.of_another
    assert not second.in_doubt
    assert second.failure.of_another
    assert second.failure.by_relay
    assert not second.end_of_data_sent
    assert not usable


@pytest.mark.parametrize("behind", [(), ("250 ok", "250 ok", "354 go on")])
def test_the_mail_behind_is_called_off_at_once_and_the_one_ahead_is_not_touched(behind):
    called_off = threading.Event()

    def rest(peer: Peer) -> None:
        peer.play(ENVELOPE.format(to="two"))
        pair.second.deadline = NOT_AT_ALL
        pair.second.abort()
        assert called_off.wait(PATIENCE)
        # The answers to what was said for the one behind may come late, or never.
        peer.say("250 taken one", *behind)
        peer.expect_end()

    class Watched(Pair):
        def run(self, second=None):
            def told(report: Future) -> None:
                called_off.set()

            submit = ThreadPoolExecutor.submit

            def noted(threads, work, mail, orders):
                future = submit(threads, work, mail, orders)
                if orders is self.second:
                    future.add_done_callback(told)
                return future

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(ThreadPoolExecutor, "submit", noted)
                return super().run(second)

    pair = Watched(rest)
    first, second, usable = pair.run()

    assert first.accepted
    assert second.called_off
    assert not second.end_of_data_sent
    assert not usable


@pytest.mark.parametrize("careful", ["all_or_none", "wait_before_data"])
def test_a_mail_that_waits_for_replies_does_not_ride_behind_another(careful):
    def rest(peer: Peer) -> None:
        peer.expect_silence_so_far()
        peer.say("250 taken one")
        peer.play(ENVELOPE.format(to="two").replace("C: DATA", ""))
        peer.expect_silence_so_far()
        peer.say("250 ok", "250 ok")
        peer.play("C: DATA\nS: 354 go on")
        peer.data()
        peer.say("250 taken two")
        peer.play("C: QUIT\nS: 221 bye")

    first, second, usable = Pair(rest).run(mail_to("two", **{careful: True}))

    assert first.accepted
    assert second.accepted
    assert usable


def with_a_window(relay: ScriptedRelay, **settings) -> Session:
    return open_session(relay.settings(in_flight=8, **settings))


def test_a_mail_that_was_called_off_before_it_left_takes_nothing_with_it():
    script = PoliteRelay()
    with ScriptedRelay(script) as relay:
        session = with_a_window(relay)
        withheld = session.transact(mail_to("one"), Orders(go=False))
        report = session.transact(mail_to("two"), Orders())
        usable = session.usable
        session.quit()

    assert withheld.called_off
    assert report.accepted
    assert usable
    assert script.verbs == ["EHLO", "MAIL", "RCPT", "BDAT", "QUIT"]


def test_after_a_failed_mail_the_session_is_brought_to_rest():
    script = PoliteRelay(answers={"RCPT": ["550 5.1.1 unknown"]})
    with ScriptedRelay(script) as relay:
        session = with_a_window(relay)
        refused = session.transact(mail_to("one"), Orders())
        usable = session.usable
        report = session.transact(mail_to("two"), Orders())
        session.quit()

    assert refused.rcpt[0].code == 550
    assert usable
    assert report.accepted
    assert script.verbs.count("RSET") == 1


def test_large_content_has_the_session_for_itself():
    script = PoliteRelay()
    large = b"x" * 70 + b"\r\n"
    with ScriptedRelay(script) as relay:
        session = with_a_window(relay)
        room = threading.Event()
        session.on_room(room.set)
        report = session.transact(a_mail(large * 10_000), Orders())
        session.quit()

    assert report.accepted
    assert not room.is_set()


@pytest.mark.parametrize("encryption", [Encryption.NONE, Encryption.TLS])
@pytest.mark.parametrize("offer", [("PIPELINING",), ("PIPELINING", "CHUNKING")])
def test_many_threads_share_few_sessions(encryption, offer, ca_file):
    tls = good() if encryption is Encryption.TLS else None
    script = PoliteRelay(offer, tls=tls)
    mails, threads = 96, 12

    with ScriptedRelay(script) as relay, ThreadPoolExecutor(threads) as senders:
        pool = SessionPool.of(
            relay.settings(
                in_flight=4,
                encryption=encryption,
                tls_ca_file=ca_file,
                pool=PoolSettings(max_size=2, jitter=0.0),
            )
        )

        def send(number: int) -> bool:
            mail = a_mail(
                b"Subject: %d\r\n\r\n" % number
                + b"x" * 70
                + b"\r\n" * (number * 40 + 1),
                to=(f"{number}@example.com",),
            )
            with pool.session() as session:
                return session.transact(mail, Orders()).accepted

        accepted = list(senders.map(send, range(mails)))
        stats = pool.stats()
        pool.close()

    assert all(accepted)
    assert stats.created <= 2
    assert stats.in_use == 0
    assert sorted(m.recipients for m in script.mails) == sorted(
        (f"RCPT TO:<{n}@example.com>",) for n in range(mails)
    )
    for mail in script.mails:
        number = mail.recipients[0].removeprefix("RCPT TO:<").split("@")[0]
        assert mail.content.startswith(b"Subject: %s\r\n" % number.encode())


def test_a_relay_that_left_a_session_is_known_before_a_mail_passes_its_end():
    gone = threading.Event()

    def script(peer: Peer) -> None:
        ready("PIPELINING", "CHUNKING")(peer)
        peer.close()
        gone.set()

    with ScriptedRelay(script) as relay:
        session = with_a_window(relay)
        assert gone.wait(PATIENCE)
        orders = Orders()
        report = session.transact(mail_to("one"), orders)

    assert report.failure.reason is FailureReason.NETWORK
    assert orders.passed == 0
    assert not report.in_doubt
