"""A window of mails on one session, and a relay that goes wrong at every point of it.

What must come of each mail is worked out from where the relay went wrong and from what
it says it took; nothing of ours is asked.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest
from postroom_server.delivery.attempts import make_attempt
from postroom_server.delivery.control import AttemptControl
from postroom_server.delivery.findings import Found
from postroom_server.delivery.mailing import Mailing
from postroom_server.delivery.relay import RelayWatch
from postroom_server.smtp.pool import SessionPool
from postroom_server.smtp.settings import PoolSettings

from tests.support.builders import a_content, a_delivery
from tests.support.scripted_relay import PATIENCE, QUICK, ScriptedRelay
from tests.support.window_relay import Trouble, WindowRelay

WINDOW = 8
FIRST = "first@example.com"
"""Sends what opens the session: to the others it is one that was used before."""
IMPATIENT = replace(QUICK, command=1.5, data=1.5, final=1.5)
COMMANDS = ("RSET", "MAIL", "RCPT", "BDAT")
KINDS = ("451", "550", "421", "drop", "garbage", "silence")
TROUBLES = [
    Trouble(place, verb, kind)
    for place in range(WINDOW)
    for verb in COMMANDS
    for kind in KINDS
    if (place or verb != "RSET") and (kind != "silence" or place in {0, 3, 7})
] + [Trouble(place, "BDAT", "TOOK") for place in range(WINDOW)]


def expected(trouble: Trouble, place: int) -> Found:
    """What must be found of the mail that came as number *place*."""
    if place < trouble.place or trouble.kind == "421":
        # After a 421 the others go over a new session, without an attempt being spent.
        return Found.DELIVERED
    refused = trouble.kind.isdigit()
    if not refused:
        # It was all written: nobody can know.
        return Found.UNCERTAIN
    if place > trouble.place or trouble.verb == "RSET":
        return Found.DELIVERED
    if trouble.kind == "451":
        return Found.TEMPORARY
    return Found.REFUSED if trouble.verb in {"RCPT", "MAIL"} else Found.FAILED


class Sends:
    """Eight threads with a mail each, and one session for all of them."""

    def __init__(self, relay: ScriptedRelay, script: WindowRelay) -> None:
        timeouts = IMPATIENT if _is_silent(script) else QUICK
        settings = relay.settings(
            in_flight=WINDOW,
            timeouts=timeouts,
            pool=PoolSettings(max_size=1, jitter=0.0),
        )
        self.pool = SessionPool.of(settings)
        self.health: list[bool] = []
        watch = RelayWatch(lambda: 0.0, self.health.append, lambda: 1.0)
        self.relay = SimpleNamespace(
            pool=self.pool, watch=watch, complained=lambda: None
        )
        self.found: dict[str, Found] = {}
        self.controls: dict[str, AttemptControl] = {}

    def run(self) -> None:
        self._send(FIRST)
        threads = [
            threading.Thread(target=self._send, args=(f"m{n}@example.com",))
            for n in range(WINDOW)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a send hangs"

    def _send(self, sender: str) -> None:
        delivery = a_delivery("ada@example.com", envelope_from=sender)
        mailing = Mailing(delivery, a_content("ada@example.com"))
        control = AttemptControl(limit=lambda: None, mark=lambda: True)
        self.controls[sender] = control
        course = make_attempt(self.relay, mailing, control)
        (finding,) = course.findings.values()
        self.found[sender] = finding.found


def _is_silent(script: WindowRelay) -> bool:
    return script._trouble is not None and script._trouble.kind == "silence"


def sends_through(script: WindowRelay) -> Sends:
    with ScriptedRelay(script) as relay:
        sends = Sends(relay, script)
        try:
            sends.run()
            stats = sends.pool.stats()
            assert stats.in_use == stats.opening == stats.waiting == 0
        finally:
            sends.pool.close(0.1)
    return sends


def test_a_whole_window_leaves_before_its_first_answer():
    script = WindowRelay(window=WINDOW)

    sends = sends_through(script)

    assert script.connections == 1
    assert set(sends.found.values()) == {Found.DELIVERED}
    assert len(script.taken) == len(set(script.taken)) == WINDOW + 1


@pytest.mark.parametrize(
    "trouble", TROUBLES, ids=lambda t: f"{t.kind} at {t.verb} of mail {t.place}"
)
def test_each_mail_in_a_window_gets_its_own_verdict(trouble):
    script = WindowRelay(trouble, WINDOW)

    sends = sends_through(script)

    assert len(sends.found) == len(script.order) == WINDOW + 1
    assert sends.relay.watch.failures <= 1, "one break counted several times"
    for sender, found in sends.found.items():
        assert found is expected(trouble, script.order.index(sender) - 1)
        taken = script.taken.count(sender)
        if found is Found.DELIVERED:
            assert taken == 1
        elif found is not Found.UNCERTAIN:
            assert taken == 0
        assert taken <= 1
