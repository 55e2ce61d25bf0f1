"""Envelopes behind the content of others, and a relay that goes wrong at every step.

With PIPELINING alone at most one mail is past its end of data at a time: whatever
happens, no other is ever in doubt, and what another mail broke costs none an attempt.
"""

from __future__ import annotations

import pytest
from postroom_server.delivery.findings import Found

from tests.integration.smtp.test_smtp_window_faults import FIRST, sends_through
from tests.support.window_relay import Trouble, WindowRelay

MAILS = 8
KINDS = ("451", "550", "421", "drop", "garbage", "silence")
TROUBLES = [
    Trouble(place, verb, kind)
    for place in (0, 3, 7)
    for verb in ("MAIL", "RCPT", "DATA", "BODY")
    for kind in KINDS
] + [Trouble(place, "BODY", "TOOK") for place in (0, 3, 7)]


def expected(trouble: Trouble) -> Found:
    """What must be found of the mail at which the relay goes wrong."""
    if trouble.kind == "421":
        return Found.DELIVERED
    if not trouble.kind.isdigit():
        if trouble.verb == "BODY":
            return Found.UNCERTAIN
        # A lost link is found out by the next mail on it: a new one, at no cost.
        return Found.DELIVERED if trouble.kind == "drop" else Found.TEMPORARY
    if trouble.kind == "451":
        return Found.TEMPORARY
    return Found.REFUSED if trouble.verb in {"MAIL", "RCPT"} else Found.FAILED


@pytest.mark.parametrize(
    "trouble", TROUBLES, ids=lambda t: f"{t.kind} at {t.verb} of mail {t.place}"
)
def test_only_the_mail_at_which_the_relay_goes_wrong_is_affected(trouble):
    script = WindowRelay(trouble, window=0, extensions=("PIPELINING",))

    sends = sends_through(script)

    assert len(sends.found) == MAILS + 1
    struck = script.order[trouble.place + 1]
    for sender, found in sends.found.items():
        is_struck = sender == struck
        assert found is (expected(trouble) if is_struck else Found.DELIVERED)
        taken = script.taken.count(sender)
        assert taken <= 1
        if found is not Found.UNCERTAIN:
            assert taken == (found is Found.DELIVERED)
    assert sends.found[FIRST] is Found.DELIVERED
