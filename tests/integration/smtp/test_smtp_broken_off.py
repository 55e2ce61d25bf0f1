"""Links that break, and relays that leave or object."""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import replace

import pytest
from postroom_server.domain.attempt import FailureReason, Phase
from postroom_server.smtp.session import open_session

from tests.support.controls import HELLO, Orders, a_mail
from tests.support.relays import (
    PoliteRelay,
    drips,
    drops_after_the_final_dot,
    plays,
    ready,
    speaks_while_idle,
    then,
)
from tests.support.scripted_relay import PATIENCE, QUICK, Peer, ScriptedRelay

LARGE = b"0123456789abcdef0123456789abcdef0123456789\r\n" * 200_000
IMPATIENT = replace(QUICK, block=0.3, final=0.2, min_rate=1e9)
"""With the content; until it is asked for none of them should run out."""
ENVELOPE = "C: MAIL .+\nC: RCPT .+\nC: DATA\n"
YES = "S: 250 ok\nS: 250 ok\nS: 354 go on"


def one_flight(*answers: str):
    """Reads a whole transaction, says *answers*, and leaves."""

    def script(peer: Peer) -> None:
        ready("PIPELINING", "CHUNKING")(peer)
        peer.play("C: MAIL .+\nC: RCPT .+\nC: BDAT .+")
        peer.octets(len(HELLO))
        peer.say(*answers)

    return script


def offered(script, mail=None, orders=None, **settings):
    with ScriptedRelay(script) as relay:
        session = open_session(relay.settings(**settings))
        report = session.transact(mail or a_mail(), orders or Orders())
        usable = session.usable
        session.close()
    return report, usable


@pytest.mark.parametrize(
    ("transcript", "phase"),
    [
        ("C: MAIL .+", Phase.MAIL),
        ("C: MAIL .+\nS: 250 ok\nC: RCPT .+", Phase.RCPT),
        ("C: MAIL .+\nS: 250 ok\nC: RCPT .+\nS: 250 ok\nC: DATA", Phase.DATA),
    ],
)
@pytest.mark.parametrize("leave", [Peer.close, Peer.reset])
def test_a_link_lost_before_the_content_leaves_no_doubt(transcript, phase, leave):
    orders = Orders()
    report, usable = offered(then(ready(), plays(transcript), leave), orders=orders)

    assert (report.phase, report.failure.phase) == (phase, phase)
    assert report.failure.reason is FailureReason.NETWORK
    assert report.failure.by_relay
    assert not report.end_of_data_sent
    assert not report.in_doubt
    assert orders.passed == 0
    assert not usable


@pytest.mark.parametrize(
    "script",
    [
        drops_after_the_final_dot,
        one_flight(),
        one_flight("250 ok"),
        one_flight("250 ok", "250 ok"),
        then(
            ready(),
            plays("C: MAIL .+\nS: 250 ok\nC: RCPT .+\nS: 250 ok\nC: DATA\nS: 354 go"),
            Peer.data,
            Peer.reset,
        ),
    ],
)
def test_a_link_lost_after_the_end_of_data_leaves_the_outcome_in_doubt(script):
    report, usable = offered(script)

    assert report.in_doubt
    assert report.end_of_data_sent
    assert report.phase is Phase.END_OF_DATA
    assert report.failure.reason is FailureReason.NETWORK
    assert report.final is None
    assert not usable


@pytest.mark.parametrize(
    "answers",
    [
        ["550 5.7.1 not you"],
        ["250 ok", "550 5.1.1 who?"],
        ["421 4.3.2 leaving"],
        ["250 ok", "421 4.3.2 leaving"],
        ["250 ok", "250 ok", "421 4.3.2 leaving"],
    ],
)
def test_a_link_lost_after_a_refusal_leaves_no_doubt(answers):
    report, usable = offered(one_flight(*answers))

    assert not report.in_doubt
    assert not report.accepted
    assert not usable


def test_421_to_one_recipient_leaves_no_doubt_about_the_others():
    to = ("a@x.example", "b@x.example")

    def script(peer: Peer) -> None:
        ready("PIPELINING", "CHUNKING")(peer)
        peer.play("C: MAIL .+\nC: RCPT .+\nC: RCPT .+\nC: BDAT .+")
        peer.octets(len(HELLO))
        peer.say("250 ok", "250 ok", "421 4.3.2 leaving")

    report, _ = offered(script, a_mail(to=to))

    assert [r.code for r in report.rcpt] == [250, 421]
    assert report.failure.by_relay
    assert not report.in_doubt


@pytest.mark.parametrize("answers", [["421 4.3.2 bye"], ["250 ok", "421 4.3.2 bye"]])
@pytest.mark.parametrize("offer", [("PIPELINING",), ()])
def test_421_ends_it_and_is_quoted(offer, answers):
    script = PoliteRelay(
        extensions=offer,
        answers=dict(zip(["MAIL", "RCPT"], ([a] for a in answers), strict=False)),
    )
    report, usable = offered(script)

    assert report.failure.reply.code == 421
    assert report.failure.reason is FailureReason.RELAY_UNAVAILABLE
    assert report.failure.by_relay
    assert not usable


def test_a_breach_of_protocol_ends_it():
    report, usable = offered(
        then(ready(), plays("C: MAIL .+\nS: nonsense"), Peer.expect_end)
    )

    assert report.failure.reason is FailureReason.PROTOCOL
    assert not usable


@pytest.mark.parametrize("answer", ["250 ok", "235 what"])
def test_a_yes_to_data_that_is_no_354_belongs_to_something_else(answer):
    script = then(
        ready("PIPELINING"),
        plays(f"{ENVELOPE}S: 250 ok\nS: 250 ok\nS: {answer}"),
        Peer.expect_end,
    )
    report, usable = offered(script)

    assert report.failure.reason is FailureReason.PROTOCOL
    assert not report.end_of_data_sent
    assert not usable


def test_354_to_mail_is_a_breach():
    report, _ = offered(
        then(ready(), plays("C: MAIL .+\nS: 354 go on"), Peer.expect_end)
    )

    assert report.failure.reason is FailureReason.PROTOCOL


def test_what_the_relay_said_unasked_is_not_taken_for_a_reply():
    speak, spoken = threading.Event(), threading.Event()
    with ScriptedRelay(speaks_while_idle(speak, spoken)) as relay:
        session = open_session(relay.settings())
        before = session.pending()
        speak.set()
        assert spoken.wait(PATIENCE)
        report = session.transact(a_mail(), Orders())

    assert not before
    assert report.failure.reason is FailureReason.PROTOCOL
    assert report.mail is None
    assert not session.usable
    assert relay.heard[1:] == []


@pytest.mark.parametrize(
    ("farewell", "reason"),
    [
        ("", FailureReason.NETWORK),
        ("421 4.4.2 idle for too long", FailureReason.RELAY_UNAVAILABLE),
    ],
)
def test_a_relay_that_left_meanwhile_is_noticed_before_a_word_is_said(farewell, reason):
    gone = threading.Event()

    def script(peer: Peer) -> None:
        ready("PIPELINING", "CHUNKING")(peer)
        if farewell:
            peer.say(farewell)
        peer.close()
        gone.set()

    with ScriptedRelay(script) as relay:
        session = open_session(relay.settings())
        assert gone.wait(PATIENCE)
        orders = Orders()
        report = session.transact(a_mail(), orders)

    assert report.failure.reason is reason
    assert session.left_by_relay
    assert orders.passed == 0
    assert not report.in_doubt


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("552 5.3.4 too big", (552, None)),
        ("451 4.3.0 trouble", (451, None)),
        ("250 yes", (None, FailureReason.PROTOCOL)),
    ],
)
@pytest.mark.parametrize("reads_on", [False, True])
def test_a_relay_that_speaks_mid_body_stops_the_body(answer, outcome, reads_on):
    heard = threading.Event()

    def script(peer: Peer) -> None:
        ready("PIPELINING")(peer)
        peer.play(ENVELOPE + YES)
        peer.octets(1000)
        peer.say(answer)
        if reads_on:
            with contextlib.suppress(EOFError, ConnectionError):
                while not heard.is_set():
                    peer.octets(100_000)
        else:
            heard.wait(PATIENCE)

    orders = Orders()
    with ScriptedRelay(script) as relay:
        session = open_session(relay.settings())
        report = session.transact(a_mail(LARGE), orders)
        heard.set()
        session.close()

    assert not report.end_of_data_sent
    assert not report.accepted
    assert not session.usable
    code = report.final.code if report.final else None
    reason = report.failure.reason if report.failure else None
    assert (code, reason) == outcome
    if report.final:
        assert report.final.phase is report.phase is Phase.BODY


def test_a_relay_that_objects_while_we_are_stuck_is_heard():
    asked, done = threading.Event(), threading.Event()

    class Told(Orders):
        def pass_end_of_data(self) -> bool:
            asked.set()
            return super().pass_end_of_data()

    def script(peer: Peer) -> None:
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        ready("PIPELINING")(peer)
        peer.play(ENVELOPE + YES)
        assert asked.wait(PATIENCE)
        peer.say("552 5.3.4 too big")
        done.wait(PATIENCE)

    with ScriptedRelay(script) as relay:
        session = open_session(relay.settings())
        sock = session._dialogue.wire._socket
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        report = session.transact(a_mail(LARGE[: 5000 * 44]), Told())
        done.set()

    assert report.final.code == 552
    assert not report.end_of_data_sent
    assert not report.in_doubt


def test_a_relay_that_objects_and_leaves_mid_body_is_heard():
    def script(peer: Peer) -> None:
        ready("PIPELINING")(peer)
        peer.play(ENVELOPE + YES)
        peer.octets(1000)
        peer.say("552 5.3.4 too big")
        peer.socket.shutdown(1)
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                peer.octets(100_000)

    report, usable = offered(script, a_mail(LARGE))

    assert report.final.code == 552
    assert not usable


def test_the_last_words_of_a_relay_that_broke_the_link_are_heard():
    asked, gone = threading.Event(), threading.Event()

    class Late(Orders):
        def pass_end_of_data(self) -> bool:
            asked.set()
            return gone.wait(PATIENCE)

    def script(peer: Peer) -> None:
        ready("PIPELINING")(peer)
        peer.play(ENVELOPE + YES)
        assert asked.wait(PATIENCE)
        peer.say("552 5.3.4 too big")
        peer.reset()
        gone.set()

    report, usable = offered(script, orders=Late())

    assert report.final.code == 552
    assert not report.end_of_data_sent
    assert not usable


def test_an_envelope_refused_while_its_content_is_on_the_way_stops_it():
    stop = threading.Event()

    def script(peer: Peer) -> None:
        ready("PIPELINING", "CHUNKING")(peer)
        peer.play("C: MAIL .+\nC: RCPT .+\nC: BDAT .+\nS: 250 ok\nS: 550 5.1.1 who?")
        stop.wait(PATIENCE)

    orders = Orders()
    with ScriptedRelay(script) as relay:
        session = open_session(relay.settings(one_flight=len(LARGE)))
        report = session.transact(a_mail(LARGE), orders)
        stop.set()

    assert report.rcpt[0].code == 550
    assert report.phase is Phase.RCPT
    assert report.failure is None
    assert orders.passed == 0
    assert not report.end_of_data_sent
    assert not report.in_doubt
    assert not session.usable


def test_a_relay_that_does_not_read_is_left_in_time():
    stop = threading.Event()
    script = then(
        ready("PIPELINING"), plays(ENVELOPE + YES), lambda _: stop.wait(PATIENCE)
    )
    with ScriptedRelay(script) as relay:
        session = open_session(relay.settings(timeouts=IMPATIENT))
        report = session.transact(a_mail(LARGE), Orders())
        stop.set()

    assert (report.phase, report.failure.reason) == (Phase.BODY, FailureReason.TIMEOUT)
    assert not report.end_of_data_sent


def test_a_relay_that_reads_drop_by_drop_is_left_in_time():
    stop = threading.Event()

    def script(peer: Peer) -> None:
        ready("PIPELINING")(peer)
        peer.play(ENVELOPE + YES)
        with contextlib.suppress(EOFError, ConnectionError):
            while not stop.wait(0.01):
                peer.socket.recv(64)

    with ScriptedRelay(script) as relay:
        session = open_session(relay.settings(timeouts=IMPATIENT))
        report = session.transact(a_mail(LARGE), Orders())
        stop.set()

    assert (report.phase, report.failure.reason) == (Phase.BODY, FailureReason.TIMEOUT)


def test_a_dripped_reply_to_the_content_leaves_it_in_doubt():
    stop = threading.Event()
    script = then(
        ready("PIPELINING"),
        plays(ENVELOPE + YES),
        Peer.data,
        drips(b"250-queued\r\n", stop),
    )
    with ScriptedRelay(script) as relay:
        session = open_session(relay.settings(timeouts=IMPATIENT))
        report = session.transact(a_mail(), Orders())
        stop.set()

    assert report.in_doubt
    assert report.failure.reason is FailureReason.TIMEOUT


@pytest.mark.parametrize(
    "goodbye", [Peer.reset, Peer.expect_end, plays("C: QUIT\nS: 500 what?")]
)
def test_a_goodbye_that_fails_changes_nothing(goodbye):
    script = then(
        ready("PIPELINING"), plays(ENVELOPE + YES), Peer.data, plays("S: 250 queued")
    )

    def relay_script(peer: Peer) -> None:
        script(peer)
        with contextlib.suppress(AssertionError):
            goodbye(peer)

    with ScriptedRelay(relay_script) as relay:
        session = open_session(relay.settings(timeouts=replace(QUICK, clean_up=0.2)))
        report = session.transact(a_mail(), Orders())
        session.quit()

    assert report.accepted
    assert report.failure is None


def test_a_reset_that_is_refused_ends_the_session_and_not_the_report():
    script = PoliteRelay(
        extensions=("PIPELINING",),
        answers={"RCPT": ["550 5.1.1 who?"], "RSET": ["500 what?"]},
    )
    report, usable = offered(script)

    assert report.rcpt[0].code == 550
    assert report.failure is None
    assert not usable
