"""Content from files on its way to a relay: whole, or not at all."""

from __future__ import annotations

import threading
from dataclasses import replace
from io import BytesIO

import pytest
from postroom_server.domain.attempt import FailureReason, Phase
from postroom_server.domain.octets import StoredOctets
from postroom_server.mail.pieces import Blocks, chunks_of
from postroom_server.smtp.session import open_session
from postroom_server.smtp.transaction import Transaction

from tests.support.controls import Orders, a_mail
from tests.support.relays import ALL_EXTENSIONS, PoliteRelay, ready
from tests.support.scripted_relay import QUICK, Peer, ScriptedRelay

OFFERS = {
    "everything": ALL_EXTENSIONS,
    "pipelining": ("PIPELINING", "8BITMIME"),
    "chunking": ("CHUNKING", "8BITMIME"),
    "nothing more": ("8BITMIME",),
}
every_offer = pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
HEAD = b"Subject: x\r\n\r\n"
EIGHT_BIT = HEAD + b".\r\n\xe9\xff.\r\n..x\r\n\r\n.\r\n" * 3
LARGE = HEAD + (b"." + b"\xe9" * 70 + b"\r\n") * 40_000


class Changing:
    """Octets whose file is another from the second reading on."""

    def __init__(self, data: bytes, later: bytes) -> None:
        self.readings = [data, later]
        self.octets = StoredOctets(StoredOctets.of(data).sha256, len(data), self._open)

    def _open(self) -> BytesIO:
        return BytesIO(self.readings.pop(0))


def stored_mail(octets: StoredOctets, **fields: object) -> Transaction:
    blocks = Blocks(octets.size, octets.blocks)
    return replace(a_mail(**fields), chunks=chunks_of([blocks]), size=octets.size)


@every_offer
@pytest.mark.parametrize("content", [EIGHT_BIT, LARGE], ids=["short", "large"])
def test_8_bit_octets_arrive_as_they_are(offer, content):
    script = PoliteRelay(extensions=offer)
    mail = stored_mail(StoredOctets.of(content), eight_bit=True)
    with ScriptedRelay(script) as relay:
        session = open_session(relay.settings())
        report = session.transact(mail, Orders())
        session.quit()
    (got,) = script.mails
    unstuffed = got.content
    if "CHUNKING" not in offer:
        unstuffed = (b"\r\n" + unstuffed).replace(b"\r\n.", b"\r\n")[2:]

    assert report.accepted
    assert unstuffed == content
    assert "BODY=8BITMIME" in got.sender


def test_a_relay_without_8bitmime_is_sent_nothing_of_8_bit_mail():
    script = PoliteRelay(extensions=("PIPELINING", "CHUNKING"))
    with ScriptedRelay(script) as relay:
        session = open_session(relay.settings())
        report = session.transact(a_mail(EIGHT_BIT, eight_bit=True), Orders())
        usable = session.usable
        session.quit()

    assert report.failure.reason is FailureReason.NOT_SUPPORTED
    assert script.verbs == ["EHLO", "QUIT"]
    assert usable


def test_7_bit_mail_does_not_speak_of_8bitmime():
    script = PoliteRelay()
    with ScriptedRelay(script) as relay:
        session = open_session(relay.settings())
        session.transact(stored_mail(StoredOctets.of(HEAD)), Orders())
        session.quit()

    assert "BODY" not in script.mails[0].sender


DAMAGES = {
    "changed": lambda data: data[:-10] + b"y" * 8 + data[-2:],
    "cut short": lambda data: data[:-1000],
    "empty": lambda _: b"",
}
damaged = pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)


@every_offer
@damaged
def test_octets_found_damaged_at_the_last_look_are_not_begun(offer, damage):
    script = PoliteRelay(extensions=offer)
    octets = replace(StoredOctets.of(LARGE), open=lambda: BytesIO(damage(LARGE)))
    orders = Orders()
    with ScriptedRelay(script) as relay:
        session = open_session(relay.settings())
        report = session.transact(stored_mail(octets, eight_bit=True), orders)
        usable = session.usable
        session.quit()

    assert (report.failure.phase, report.failure.reason) == (
        Phase.COMPOSE,
        FailureReason.INTERNAL,
    )
    assert script.verbs == ["EHLO", "QUIT"]
    assert (usable, orders.passed, report.end_of_data_sent) == (True, 0, False)


@every_offer
@damaged
def test_octets_that_change_under_way_are_never_ended(offer, damage):
    """The relay gets a beginning and no end, and the connection goes."""
    script = PoliteRelay(extensions=offer)
    octets = Changing(LARGE, damage(LARGE)).octets
    orders = Orders()
    with ScriptedRelay(script) as relay:
        session = open_session(relay.settings())
        report = session.transact(stored_mail(octets, eight_bit=True), orders)
        usable = session.usable
        session.quit()

    assert (report.failure.phase, report.failure.reason) == (
        Phase.BODY,
        FailureReason.INTERNAL,
    )
    assert (orders.passed, report.end_of_data_sent, report.in_doubt) == (
        0,
        False,
        False,
    )
    assert script.mails == []
    assert not usable


def test_a_transaction_broken_off_closes_the_file():
    """A file must not stay open because a relay would not read."""
    opened = []
    stop = threading.Event()

    def open_() -> BytesIO:
        opened.append(BytesIO(LARGE))
        return opened[-1]

    octets = replace(StoredOctets.of(LARGE), open=open_)
    orders = Orders(go=False)

    def script(peer: Peer) -> None:
        ready("CHUNKING", "PIPELINING", "8BITMIME")(peer)
        peer.line()
        peer.line()
        peer.say("250 ok", "550 5.1.1 no")
        stop.wait(10)

    with ScriptedRelay(script) as relay:
        session = open_session(relay.settings(timeouts=replace(QUICK, clean_up=0.2)))
        session.transact(stored_mail(octets, eight_bit=True), orders)
        stop.set()
        session.quit()

    assert all(file.closed for file in opened)
