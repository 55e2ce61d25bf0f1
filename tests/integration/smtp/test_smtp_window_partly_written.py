"""A window whose octets did not all leave: what stayed here can't be in doubt."""

from __future__ import annotations

import itertools
import re
import socket
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from postroom_server.delivery.control import AttemptControl
from postroom_server.smtp.pool import SessionPool
from postroom_server.smtp.settings import PoolSettings

from tests.support.controls import a_mail
from tests.support.scripted_relay import PATIENCE, QUICK, Peer, ScriptedRelay

WINDOW = 24
CONTENT = b"Subject: x\r\n\r\n" + (b"x" * 70 + b"\r\n") * 3400
"""Nearly all that one write may hold: a window of them fills any buffer on the way."""


class StopsReading:
    """Takes one mail of the window, answers it, and reads no further.

    It leaves by *ending* when all are *under_way*; others may come back to it.
    """

    def __init__(self, ending) -> None:
        self.taken: Counter[str] = Counter()
        self.complete: set[str] = set()
        self.under_way = threading.Event()
        self.found_out = threading.Event()
        self._ending = ending
        self._connections = 0
        self._lock = threading.Lock()

    def __call__(self, peer: Peer) -> None:
        with self._lock:
            self._connections += 1
            first = self._connections == 1
        peer.play("S: 220 relay.example\nC: EHLO .+")
        peer.say("250-relay.example", "250-PIPELINING", "250 CHUNKING")
        with suppress(EOFError, ConnectionError):
            self._take(peer)
            while not first:
                self._take(peer)
            assert self.under_way.wait(PATIENCE)
            self._ending(self, peer)

    def _take(self, peer: Peer) -> None:
        sender = self._mail(peer, "250 ok")
        self.taken[sender] += 1
        peer.say("250 taken")

    def listen_on(self, peer: Peer) -> None:
        """Keep which mails come to their end, without a word about them."""
        while True:
            self.complete.add(self._mail(peer))

    def _mail(self, peer: Peer, *answer: str) -> str:
        """The sender of the next mail, once all of it is there."""
        sender = ""
        while not (line := peer.line()).startswith("BDAT"):
            found = re.match("MAIL FROM:<(.*?)>", line)
            sender = found[1] if found else sender
            peer.say(*answer)
        peer.octets(int(line.split()[1]))
        return sender


def half_closes(script: StopsReading, peer: Peer) -> None:
    """End what it says, and read on only when that was found out."""
    peer.socket.shutdown(socket.SHUT_WR)
    assert script.found_out.wait(PATIENCE)
    script.listen_on(peer)


def resets(script: StopsReading, peer: Peer) -> None:
    peer.reset()


@pytest.mark.parametrize("ending", [half_closes, resets])
def test_only_what_was_written_to_its_end_is_in_doubt(ending):
    script = StopsReading(ending)
    reports = {}
    marked = itertools.count(1)

    def mark() -> bool:
        if next(marked) == WINDOW:
            script.under_way.set()
        return True

    def send(number: int) -> None:
        sender = f"m{number}@example.com"
        control = AttemptControl(limit=lambda: None, mark=mark)
        with pool.session() as session:
            mail = a_mail(CONTENT, reverse_path=sender)
            reports[sender] = session.transact(mail, control)
            if reports[sender].failure is not None:
                script.found_out.set()

    with ScriptedRelay(script) as relay, ThreadPoolExecutor(WINDOW) as threads:
        relay.hold_little()
        pool = SessionPool.of(
            relay.settings(
                in_flight=WINDOW,
                timeouts=QUICK,
                pool=PoolSettings(max_size=1, jitter=0.0),
            )
        )
        list(threads.map(send, range(WINDOW), timeout=PATIENCE))
        stats = pool.stats()
        pool.close(0.1)

    assert stats.in_use == stats.opening == stats.waiting == 0
    for sender, report in reports.items():
        assert not (report.accepted and report.in_doubt)
        assert script.taken[sender] == report.accepted
        if report.in_doubt:
            assert report.octets_sent > len(CONTENT)
    if ending is half_closes:
        in_doubt = {sender for sender, report in reports.items() if report.in_doubt}
        assert in_doubt == script.complete
    left_here = [r for r in reports.values() if not (r.accepted or r.in_doubt)]
    assert left_here
    assert not any(report.end_of_data_sent for report in left_here)
    assert all(report.failure.of_another for report in left_here)
