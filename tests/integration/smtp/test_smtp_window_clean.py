"""A failed mail leaves its transaction open where another may be about to be written.

RFC 3030 §2: a chunk that failed does not end the transaction; RSET does.  It is the
next mail's to say where the failed one can't know that nobody comes behind it.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from postroom_server.smtp.session import open_session

from tests.support.controls import Orders, a_mail
from tests.support.planned_relay import Plan, PlannedRelay
from tests.support.scripted_relay import PATIENCE, ScriptedRelay

ONE, TWO = "one@example.com", "two@example.com"
FIRST = "first@example.com"


class Unwilling(PlannedRelay):
    """Resets, and says that it does not."""

    def _rset(self, peer, state, line):
        state.open, state.taken = False, []
        self._reply(peer, state, "RSET", 502)


class Meeting:
    """Two mails; the first is not written before the second may be, and fails.

    The second is written when the first is over, or, unless it is to *go*, never.
    """

    def __init__(self, *, go: bool = True) -> None:
        self.entered = threading.Event()
        self.over = threading.Event()
        self.first, self.second = Orders(), Orders()
        self.first.pass_end_of_data = self._with_the_second
        self.second.pass_end_of_data = self._after_the_first
        self._go = go

    def run(self, failing: Plan, kind: type[PlannedRelay] = PlannedRelay) -> tuple:
        relay = kind(
            {FIRST: Plan(), ONE: failing, TWO: Plan()}, ("PIPELINING", "CHUNKING")
        )
        with ScriptedRelay(relay) as listening, ThreadPoolExecutor(1) as threads:
            self._session = open_session(listening.settings(in_flight=8))
            self._threads = threads
            self._session.transact(a_mail(reverse_path=FIRST), Orders())
            first = self._session.transact(a_mail(reverse_path=ONE), self.first)
            self.over.set()
            second = self._second.result(PATIENCE)
            usable = self._session.usable
            self._session.quit()
        return first, second, usable

    def _with_the_second(self) -> bool:
        mail = a_mail(reverse_path=TWO)
        self._second = self._threads.submit(self._session.transact, mail, self.second)
        return self.entered.wait(PATIENCE)

    def _after_the_first(self) -> bool:
        self.entered.set()
        return self.over.wait(PATIENCE) and self._go


def test_the_next_mail_resets_what_the_failed_one_left_open():
    first, second, usable = Meeting().run(Plan(final=550))

    assert first.final.code == 550
    assert second.accepted
    assert usable


def test_a_session_whose_relay_refuses_to_reset_is_not_used_again():
    first, second, usable = Meeting().run(Plan(final=550), Unwilling)

    assert first.final.code == 550
    assert second.accepted
    assert not usable


def test_a_session_whose_transaction_nobody_reset_is_not_used_again():
    first, second, usable = Meeting(go=False).run(Plan(final=550))

    assert first.final.code == 550
    assert second.called_off
    assert not usable


def test_a_mail_that_succeeded_leaves_nothing_to_reset():
    first, second, usable = Meeting(go=False).run(Plan())

    assert first.accepted
    assert second.called_off
    assert usable
