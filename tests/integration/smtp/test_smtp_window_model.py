"""Eight mails side by side, each with a fate of its own, and a relay that breaks off.

Whatever the relay offers and wherever it breaks off, each recipient's verdict is the
one that the relay's own book gives: what it took, what it said, what it asked for.
"""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postroom_server.delivery.attempts import make_attempt
from postroom_server.delivery.control import AttemptControl
from postroom_server.delivery.findings import Found
from postroom_server.delivery.mailing import Mailing
from postroom_server.delivery.relay import RelayWatch
from postroom_server.smtp.pool import SessionPool
from postroom_server.smtp.settings import PoolSettings

from tests.support.builders import a_content, a_delivery
from tests.support.planned_relay import Break, Plan, PlannedRelay
from tests.support.scripted_relay import PATIENCE, QUICK, ScriptedRelay

pytestmark = pytest.mark.timeout(180)
WINDOW = 8
FIRST, LAST = "first@example.com", "last@example.com"
"""Senders of mails that have the session for themselves, before and after."""
OFFERS = {
    "both": ("PIPELINING", "CHUNKING"),
    "pipelining": ("PIPELINING",),
    "chunking": ("CHUNKING",),
    "neither": ("8BITMIME",),
}
CODES = st.sampled_from([250, 250, 250, 250, 451, 550])
PLANS = st.builds(
    Plan,
    mail=CODES,
    rcpt=st.lists(CODES, min_size=1, max_size=3).map(tuple),
    final=CODES,
)
BREAKS = st.builds(
    Break,
    place=st.integers(0, WINDOW - 1),
    verb=st.sampled_from(["RSET", "MAIL", "RCPT", "DATA", "END"]),
    kind=st.sampled_from(["drop", "reset", "half", "garbage", "421"]),
)
REFUSALS = {451: {Found.TEMPORARY}, 550: {Found.REFUSED, Found.FAILED}}


class Sends:
    """As many threads as mails, and one session for all of them."""

    def __init__(self, relay: ScriptedRelay, plans: dict[str, Plan]) -> None:
        self.pool = SessionPool.of(
            relay.settings(
                in_flight=WINDOW,
                timeouts=QUICK,
                pool=PoolSettings(max_size=1, jitter=0.0),
            )
        )
        watch = RelayWatch(lambda: 0.0, lambda healthy: None, lambda: 1.0)
        self._relay = SimpleNamespace(
            pool=self.pool, watch=watch, complained=lambda: None
        )
        self._plans = plans
        self.failures = watch
        self.found: dict[tuple[str, str], Found] = {}

    def run(self) -> None:
        self.send(FIRST)
        threads = [
            threading.Thread(target=self.send, args=(sender,))
            for sender in self._plans
            if sender not in {FIRST, LAST}
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a send hangs"
        stats = self.pool.stats()
        assert stats.in_use == stats.opening == stats.waiting == 0
        self.send(LAST)

    def send(self, sender: str) -> None:
        to = [f"r{n}@example.com" for n in range(len(self._plans[sender].rcpt))]
        delivery = a_delivery(*to, envelope_from=sender)
        control = AttemptControl(limit=lambda: None, mark=lambda: True)
        course = make_attempt(self._relay, Mailing(delivery, a_content(*to)), control)
        self.found |= {(sender, wire): f.found for wire, f in course.findings.items()}


@pytest.mark.parametrize("offer", OFFERS)
@pytest.mark.parametrize("slow", [False, True], ids=["at once", "octet by octet"])
@settings(max_examples=25)
@given(plans=st.lists(PLANS, min_size=WINDOW, max_size=WINDOW))
def test_every_recipient_gets_the_verdict_that_the_relay_gave(offer, slow, plans):
    relay, found = sent(plans, OFFERS[offer], None, slow=slow)

    for key, plan, code in recipients(plans):
        assert_as_planned(relay, found, key, plan, code)


@pytest.mark.parametrize("offer", OFFERS)
@settings(max_examples=100)
@given(plans=st.lists(PLANS, min_size=WINDOW, max_size=WINDOW), broken=BREAKS)
def test_a_break_leaves_unknown_only_what_the_relay_never_answered(
    offer, plans, broken
):
    extensions = OFFERS[offer]
    relay, found = sent(plans, extensions, broken, slow=False)

    doubtful = set()
    for key, plan, code in recipients(plans):
        sender = key[0]
        assert relay.taken[key] <= 1
        if found[key] is Found.UNCERTAIN:
            doubtful.add(sender)
            assert relay.broke
            assert broken.kind != "421"
            assert broken.kind == "reset" or sender not in relay.answered
            assert extensions == OFFERS["both"] or sender in relay.invited
        elif relay.broke and sender == struck(relay, broken):
            assert relay.taken[key] == (found[key] is Found.DELIVERED)
        else:
            assert_as_planned(relay, found, key, plan, code)
    assert len(doubtful) <= (WINDOW if extensions == OFFERS["both"] else 1)


def sent(plans, extensions, broken, *, slow):
    """The relay afterwards, and what was found of each recipient of each mail."""
    named = {f"m{n}@example.com": plan for n, plan in enumerate(plans)}
    every = {FIRST: Plan(), **named, LAST: Plan()}
    script = PlannedRelay(every, extensions, broken, slow=slow)
    with ScriptedRelay(script) as relay:
        sends = Sends(relay, every)
        try:
            sends.run()
        finally:
            sends.pool.close(0.1)
    found = sends.found
    for sender in (FIRST, LAST):
        key = (sender, "r0@example.com")
        assert found[key] is Found.DELIVERED
        assert script.taken[key] == 1
    return script, found


def recipients(plans: list[Plan]):
    """Sender and recipient of each copy, its mail's plan, and the code it is told."""
    for n, plan in enumerate(plans):
        for m, code in enumerate(plan.rcpt):
            yield (f"m{n}@example.com", f"r{m}@example.com"), plan, code


def struck(relay: PlannedRelay, broken: Break) -> str:
    """The sender of the mail at whose reply the relay broke off; RSET is nobody's."""
    return "" if broken.verb == "RSET" else relay.order[broken.place + 1]


def assert_as_planned(relay, found, key, plan: Plan, code: int) -> None:
    told = next((c for c in (plan.mail, code, plan.final) if c != 250), 250)
    wanted = REFUSALS.get(told, {Found.DELIVERED})

    assert found[key] in wanted
    assert relay.taken[key] == (told == 250)
