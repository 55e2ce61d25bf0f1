"""A stream of mail through sessions that carry eight at once, and a relay that breaks.

Every mail has a fate of its own at the relay; the answers are compared with its book.
"""

from __future__ import annotations

import random

import pytest
from postroom.v1 import delivery_pb2 as delivery_pb
from postroom.v1 import send_pb2 as send_pb
from postroom_server.sandbox.relay import SandboxRelay

from tests.support.mail_streams import MailStream
from tests.support.planned_relay import Break, Plan, PlannedRelay
from tests.support.scripted_relay import ScriptedRelay
from tests.support.service import plain, running

MAILS = 64
OFFERS = {"both": ("PIPELINING", "CHUNKING"), "pipelining": ("PIPELINING",)}
ONCE = send_pb.RetryPolicy(disabled=True)
DELIVERED = delivery_pb.RECIPIENT_STATUS_DELIVERED
UNCERTAIN = delivery_pb.RECIPIENT_STATUS_UNCERTAIN
REFUSED = {
    451: {delivery_pb.RECIPIENT_STATUS_TEMP_FAILED},
    550: {
        delivery_pb.RECIPIENT_STATUS_REFUSED,
        delivery_pb.RECIPIENT_STATUS_FAILED,
    },
}


def plans(seed: int) -> dict[str, Plan]:
    """Mails of which about every other is refused somewhere, the same for a *seed*."""
    dice = random.Random(seed)

    def code() -> int:
        return dice.choice((250, 250, 250, 250, 451, 550))

    return {
        f"m{n}@example.com": Plan(
            mail=code(),
            rcpt=tuple(code() for _ in range(dice.randint(1, 3))),
            final=code(),
        )
        for n in range(MAILS)
    }


def answered(tmp_path, script: PlannedRelay, planned: dict[str, Plan]) -> dict:
    """What was told of each recipient, by its mail's sender and its address."""
    with (
        ScriptedRelay(script) as relay,
        SandboxRelay() as unused,
        running(
            tmp_path,
            {"main": plain(relay.port, pool_size=2, in_flight=8)},
            unused,
        ) as service,
        MailStream(service) as stream,
    ):
        for sender, plan in planned.items():
            to = " ".join(f"r{n}@example.com" for n in range(len(plan.rcpt)))
            message = {"envelope_from": sender}
            stream.send(sender, to=to, message=message, retry=ONCE)
        stream.half_close()
        answers = list(stream.rest())

    assert sorted(answer.key for answer in answers) == sorted(planned)
    return {
        (answer.key, recipient.address): recipient.status
        for answer in answers
        for recipient in answer.result.recipients
    }


def told(plan: Plan, code: int) -> int:
    """The code that decides about a recipient that is answered with *code*."""
    return next((c for c in (plan.mail, code, plan.final) if c != 250), 250)


def recipients(planned: dict[str, Plan]):
    for sender, plan in planned.items():
        for number, code in enumerate(plan.rcpt):
            yield (sender, f"r{number}@example.com"), told(plan, code)


@pytest.mark.parametrize("offer", OFFERS)
def test_every_recipient_is_told_what_the_relay_said(tmp_path, offer):
    planned = plans(1)
    script = PlannedRelay(planned, OFFERS[offer])

    found = answered(tmp_path, script, planned)

    for key, code in recipients(planned):
        assert found[key] in REFUSED.get(code, {DELIVERED})
        assert script.taken[key] == (code == 250)


@pytest.mark.parametrize("kind", ["drop", "reset", "half", "garbage", "421"])
@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "END"])
def test_a_break_loses_and_doubles_nothing(tmp_path, kind, verb):
    planned = {sender: Plan() for sender in plans(2)}
    script = PlannedRelay(planned, OFFERS["both"], Break(12, verb, kind))

    found = answered(tmp_path, script, planned)

    assert script.broke
    for key, _ in recipients(planned):
        assert script.taken[key] <= 1
        if found[key] == UNCERTAIN:
            assert kind != "421"
        else:
            assert script.taken[key] == (found[key] == DELIVERED)
    in_doubt = list(found.values()).count(UNCERTAIN)
    assert in_doubt <= 8
    assert list(found.values()).count(DELIVERED) >= MAILS - in_doubt - 1
