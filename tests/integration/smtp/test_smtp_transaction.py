"""What goes over the wire for a mail, by what the relay offers."""

from __future__ import annotations

import socket

import pytest
from postroom_server.domain.attempt import FailureReason, Phase
from postroom_server.smtp.session import open_session

from tests.support.controls import HELLO, Orders, a_mail
from tests.support.relays import (
    ALL_EXTENSIONS,
    PoliteRelay,
    plays,
    ready,
    refuses_all_then_354,
    then,
)
from tests.support.scripted_relay import Peer, ScriptedRelay

OFFERS = {
    "everything": ALL_EXTENSIONS,
    "pipelining": ("PIPELINING",),
    "chunking": ("CHUNKING",),
    "nothing": (),
}
DOTS = b".\r\n..\r\n.a\r\n" * 5
every_offer = pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS.keys())


def sent_to(script, *mails, orders=None, **settings):
    """The reports on *mails*, sent one after the other in one session."""
    with ScriptedRelay(script) as relay:
        session = open_session(relay.settings(**settings))
        reports = [session.transact(mail, orders or Orders()) for mail in mails]
        usable = session.usable
        session.quit()
    return (*reports, usable)


@every_offer
@pytest.mark.parametrize(
    "content", [HELLO, DOTS, DOTS * 40_000], ids=["short", "dots", "large"]
)
@pytest.mark.parametrize("careful", [False, True])
def test_the_relay_gets_exactly_what_was_composed(offer, content, careful):
    script = PoliteRelay(extensions=offer)
    mail = a_mail(
        content[:7],
        content[7:],
        to=("a@x.example", "b@y.example"),
        wait_before_data=careful,
    )
    report, again, usable = sent_to(script, mail, mail)

    stuffed = (
        content
        if "CHUNKING" in offer
        else (b"\r\n" + content).replace(b"\r\n.", b"\r\n..")[2:]
    )
    assert [m.content for m in script.mails] == [stuffed, stuffed]
    assert script.mails[0].recipients == (
        "RCPT TO:<a@x.example>",
        "RCPT TO:<b@y.example>",
    )
    assert report.accepted
    assert again.accepted
    assert usable


@every_offer
def test_an_accepted_mail_is_reported_in_full(offer):
    orders = Orders()
    report, usable = sent_to(PoliteRelay(extensions=offer), a_mail(), orders=orders)

    assert report.mail.code == 250
    assert [r.code for r in report.rcpt] == [250]
    assert (report.data is None) == ("CHUNKING" in offer)
    assert str(report.final) == "250 2.0.0 queued"
    assert report.final.phase is report.phase is Phase.END_OF_DATA
    assert report.end_of_data_sent
    assert not report.in_doubt
    assert report.failure is None
    assert orders.passed == 1
    assert report.octets_sent > len(HELLO)
    assert usable
    phases = [timing.phase for timing in report.timings]
    assert phases == sorted(phases)
    assert {Phase.MAIL, Phase.RCPT, Phase.BODY, Phase.END_OF_DATA} <= set(phases)


def test_with_pipelining_and_chunking_all_goes_in_one_flight():
    def script(peer: Peer) -> None:
        ready("PIPELINING", "CHUNKING", "SIZE 0")(peer)
        # Nothing is answered before all is there.
        peer.expect(rf"MAIL FROM:<me@example\.com> SIZE={len(HELLO)}")
        peer.expect("RCPT TO:<ada@example.com>")
        peer.expect(f"BDAT {len(HELLO)} LAST")
        assert peer.octets(len(HELLO)) == HELLO
        peer.say("250 ok", "250 ok", "250 queued")
        peer.expect("QUIT")

    report, _ = sent_to(script, a_mail())

    assert report.accepted


def test_with_pipelining_the_envelope_and_data_go_in_one_flight_and_the_content_in_one():
    def script(peer: Peer) -> None:
        ready("PIPELINING")(peer)
        peer.expect("MAIL FROM:<.+>")
        peer.expect("RCPT TO:<.+>")
        peer.expect("DATA")
        peer.expect_silence_so_far()
        peer.say("250 ok", "250 ok", "354 go on")
        assert peer.data() == HELLO
        peer.play("S: 250 queued\nC: QUIT")

    report, _ = sent_to(script, a_mail())

    assert report.accepted


@pytest.mark.parametrize(
    "mail", [a_mail(wait_before_data=True), a_mail(all_or_none=True)]
)
@pytest.mark.parametrize("offer", [("PIPELINING",), ("PIPELINING", "CHUNKING")])
def test_careful_mail_waits_for_the_replies_to_its_envelope(mail, offer):
    def script(peer: Peer) -> None:
        ready(*offer)(peer)
        peer.expect("MAIL FROM:<.+>")
        peer.expect("RCPT TO:<.+>")
        peer.expect_silence_so_far()
        peer.say("250 ok", "250 ok")
        if peer.line() == "DATA":
            peer.expect_silence_so_far()
            peer.say("354 go on")
            peer.data()
        else:
            peer.octets(len(HELLO))
        peer.play("S: 250 queued\nC: QUIT")

    report, _ = sent_to(script, mail)

    assert report.accepted


def test_content_too_large_for_one_flight_waits_for_the_envelope():
    def script(peer: Peer) -> None:
        ready("PIPELINING", "CHUNKING")(peer)
        peer.expect("MAIL FROM:<.+>")
        peer.expect("RCPT TO:<.+>")
        peer.expect_silence_so_far()
        peer.play("S: 250 ok\nS: 550 no\nC: RSET\nS: 250 ok\nC: QUIT")

    report, usable = sent_to(script, a_mail(), one_flight=10)

    assert report.final is None
    assert usable


def test_without_pipelining_each_command_waits_for_its_reply():
    def script(peer: Peer) -> None:
        ready()(peer)
        for command, answer in [
            ("MAIL .+", "250 ok"),
            ("RCPT .+", "250 ok"),
            ("RCPT .+", "250 ok"),
            ("DATA", "354 go"),
        ]:
            peer.expect(command)
            peer.expect_silence_so_far()
            peer.say(answer)
        peer.data()
        peer.play("S: 250 queued\nC: QUIT")

    report, _ = sent_to(script, a_mail(to=("a@x.example", "b@y.example")))

    assert report.accepted


@every_offer
def test_the_null_reverse_path_is_sent_as_such(offer):
    script = PoliteRelay(extensions=offer)
    sent_to(script, a_mail(reverse_path=""))

    assert script.mails[0].sender.startswith("MAIL FROM:<>")


@every_offer
def test_a_refused_recipient_does_not_keep_the_others_from_theirs(offer):
    script = PoliteRelay(
        extensions=offer, answers={"RCPT": ["250 ok", "550 5.1.1 who?", "250 ok"]}
    )
    report, usable = sent_to(
        script, a_mail(to=("a@x.example", "b@x.example", "c@x.example"))
    )

    assert [r.code for r in report.rcpt] == [250, 550, 250]
    assert report.accepted
    assert len(script.mails[0].recipients) == 2
    assert usable


@every_offer
def test_with_all_or_none_one_refusal_keeps_everything_here(offer):
    script = PoliteRelay(
        extensions=offer, answers={"RCPT": ["250 ok", "450 4.2.1 later"]}
    )
    orders = Orders()
    mail = a_mail(to=("a@x.example", "b@x.example"), all_or_none=True)
    report, usable = sent_to(script, mail, orders=orders)

    assert [r.code for r in report.rcpt] == [250, 450]
    assert not report.end_of_data_sent
    assert report.final is None
    assert orders.passed == 0
    assert script.verbs[-2:] == ["RSET", "QUIT"]
    assert usable


@every_offer
@pytest.mark.parametrize(
    ("answers", "phase"),
    [
        ({"MAIL": ["550 5.7.1 not you"]}, Phase.MAIL),
        ({"RCPT": ["550 5.1.1 who?"]}, Phase.RCPT),
        ({"RCPT": ["450 4.2.0 greylisted"]}, Phase.RCPT),
    ],
)
def test_after_a_refused_envelope_the_session_goes_on(offer, answers, phase):
    script = PoliteRelay(extensions=offer, answers=answers)
    report, again, usable = sent_to(script, a_mail(), a_mail())

    assert report.phase is phase
    assert not report.accepted
    assert not report.in_doubt
    assert report.failure is None
    assert again.accepted
    assert len(script.mails) == 1
    assert "RSET" in script.verbs
    assert usable


@pytest.mark.parametrize("offer", [("PIPELINING",), ()])
def test_a_refused_data_is_reported_and_reset(offer):
    script = PoliteRelay(extensions=offer, answers={"DATA": ["451 4.3.0 not now"]})
    report, again, usable = sent_to(script, a_mail(), a_mail())

    assert (report.data.code, report.final, report.phase) == (451, None, Phase.DATA)
    assert not report.end_of_data_sent
    assert again.accepted
    assert usable


@every_offer
@pytest.mark.parametrize("answer", ["554 5.6.0 spam", "452 4.3.1 disk full"])
def test_refused_content_leaves_the_session_usable(offer, answer):
    script = PoliteRelay(extensions=offer, answers={"BODY": [answer]})
    report, again, usable = sent_to(script, a_mail(), a_mail())

    assert str(report.final) == answer
    assert report.end_of_data_sent
    assert not report.accepted
    assert again.accepted
    assert ("RSET" in script.verbs) == ("CHUNKING" in offer)
    assert usable


def test_a_354_for_nobody_gets_a_lone_dot_and_is_no_mail():
    orders = Orders()
    report, usable = sent_to(refuses_all_then_354, a_mail(), orders=orders)

    assert orders.passed == 0
    assert not report.end_of_data_sent
    assert not report.accepted
    assert report.phase is Phase.RCPT
    assert usable


def test_a_yes_to_content_for_nobody_is_no_mail():
    def script(peer: Peer) -> None:
        ready("PIPELINING", "CHUNKING")(peer)
        peer.play("C: MAIL .+\nC: RCPT .+\nC: BDAT .+")
        peer.octets(len(HELLO))
        peer.play("S: 250 ok\nS: 550 5.1.1 who?\nS: 250 queued\nC: QUIT")

    report, _ = sent_to(script, a_mail())

    assert not report.accepted


@pytest.mark.parametrize(
    ("offer", "mail", "reason", "permanent"),
    [
        (("SIZE 10",), a_mail(), FailureReason.SIZE, True),
        (("SMTPUTF8",), a_mail(smtputf8=True), FailureReason.NOT_SUPPORTED, True),
        ((), a_mail(smtputf8=True), FailureReason.NOT_SUPPORTED, True),
        ((), a_mail(b"bare\nLF\r\n"), FailureReason.INTERNAL, True),
        ((), a_mail(b"no end of line"), FailureReason.INTERNAL, True),
        ((), a_mail(size=5), FailureReason.INTERNAL, True),
        ((), a_mail(to=("a@b.example\r\nRSET",)), FailureReason.INTERNAL, True),
        ((), a_mail(to=("é@b.example",)), FailureReason.INTERNAL, True),
        ((), a_mail(reverse_path="a@b.example> SIZE=1"), FailureReason.INTERNAL, True),
    ],
)
def test_a_mail_that_can_not_be_sent_is_not_begun(offer, mail, reason, permanent):
    script = PoliteRelay(extensions=offer)
    orders = Orders()
    report, usable = sent_to(script, mail, orders=orders)

    assert report.failure.reason is reason
    assert report.failure.permanent is permanent
    assert script.verbs == ["EHLO", "QUIT"]
    assert orders.passed == 0
    assert report.octets_sent == 0
    assert usable


def test_utf8_mail_is_announced():
    script = PoliteRelay()
    report, _ = sent_to(script, a_mail(to=("пример@b.example",), smtputf8=True))

    assert report.accepted
    assert script.mails[0].sender.endswith(" SMTPUTF8 BODY=8BITMIME")
    assert script.mails[0].recipients == ("RCPT TO:<пример@b.example>",)


@every_offer
def test_a_hundred_recipients_each_get_their_reply(offer):
    to = tuple(f"user{n}@x.example" for n in range(100))
    answers = {"RCPT": [f"{250 if n % 3 else 550} 2.1.5 {n}" for n in range(100)]}
    report, usable = sent_to(
        PoliteRelay(extensions=offer, answers=answers), a_mail(to=to)
    )

    assert [r.code for r in report.rcpt] == [250 if n % 3 else 550 for n in range(100)]
    assert report.accepted
    assert usable


def test_an_envelope_larger_than_all_buffers_does_not_block_both_sides():
    to = tuple(f"{n}.{'x' * 440}@y.example" for n in range(16_000))

    def script(peer: Peer) -> None:
        # It soon can't write on, and then does not read on either.
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        ready("PIPELINING")(peer)
        peer.expect("MAIL .+")
        peer.say("250 ok")
        for _ in to:
            peer.line()
            peer.say("250 2.1.5 " + "y" * 400)
        peer.play("C: DATA\nS: 354 go")
        peer.data()
        peer.play("S: 250 queued\nC: QUIT")

    report, _ = sent_to(script, a_mail(to=to))

    assert report.accepted


@pytest.mark.parametrize("extra", ["250 2.0.0 once more", "25"])
def test_a_session_with_words_left_over_is_not_used_again(extra):
    script = then(
        ready("PIPELINING"),
        plays("C: MAIL .+\nC: RCPT .+\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go"),
        lambda peer: peer.data() and peer.send(f"250 queued\r\n{extra}".encode()),
        Peer.expect_end,
    )
    report, usable = sent_to(script, a_mail())

    assert report.accepted
    assert not usable
