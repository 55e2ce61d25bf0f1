from __future__ import annotations

import json

import pytest
from postroom_server.domain.attempt import FailureReason as F
from postroom_server.domain.attempt import Phase
from postroom_server.domain.reply import Reply
from postroom_server.domain.verdict import Outcome, Scope, judge

ACCEPTED, TRANSIENT, PERMANENT = Outcome
RECIPIENT, MESSAGE, RELAY = Scope


def reply(line: str, phase: Phase) -> Reply:
    return Reply.of(int(line[:3]), [line[4:].encode()], phase)


@pytest.mark.parametrize(
    ("line", "phase", "outcome", "scope", "reason"),
    [
        (
            "250 2.0.0 queued as 4F2",
            Phase.END_OF_DATA,
            ACCEPTED,
            MESSAGE,
            F.UNSPECIFIED,
        ),
        ("251 will forward", Phase.RCPT, ACCEPTED, RECIPIENT, F.UNSPECIFIED),
        (
            "450 4.2.0 greylisted",
            Phase.RCPT,
            TRANSIENT,
            RECIPIENT,
            F.MAILBOX_UNAVAILABLE,
        ),
        ("451 4.7.1 try later", Phase.RCPT, TRANSIENT, RECIPIENT, F.POLICY),
        ("452 4.5.3 too many", Phase.RCPT, TRANSIENT, RECIPIENT, F.RATE),
        ("552 5.5.3 too many", Phase.RCPT, TRANSIENT, RECIPIENT, F.RATE),
        ("552 too many", Phase.RCPT, TRANSIENT, RECIPIENT, F.RATE),
        (
            "552 5.2.2 over quota",
            Phase.RCPT,
            PERMANENT,
            RECIPIENT,
            F.MAILBOX_UNAVAILABLE,
        ),
        ("550 5.1.1 unknown", Phase.RCPT, PERMANENT, RECIPIENT, F.ADDRESS_UNKNOWN),
        ("550 no such user", Phase.RCPT, PERMANENT, RECIPIENT, F.ADDRESS_UNKNOWN),
        ("551 5.1.6 moved", Phase.RCPT, PERMANENT, RECIPIENT, F.ADDRESS_UNKNOWN),
        ("550 5.7.1 not you", Phase.MAIL, PERMANENT, MESSAGE, F.SENDER_REFUSED),
        ("553 5.1.8 bad sender", Phase.MAIL, PERMANENT, MESSAGE, F.SENDER_REFUSED),
        ("552 5.3.4 too big", Phase.MAIL, PERMANENT, MESSAGE, F.SIZE),
        ("554 5.6.0 spam", Phase.END_OF_DATA, PERMANENT, MESSAGE, F.CONTENT),
        ("554 go away", Phase.GREETING, PERMANENT, RELAY, F.RELAY_UNAVAILABLE),
        ("421 4.3.2 bye", Phase.RCPT, TRANSIENT, RELAY, F.RELAY_UNAVAILABLE),
        ("421 bye", Phase.END_OF_DATA, TRANSIENT, RELAY, F.RELAY_UNAVAILABLE),
        ("530 5.7.0 log in", Phase.MAIL, PERMANENT, RELAY, F.AUTHENTICATION),
        ("535 5.7.8 bad credentials", Phase.AUTH, PERMANENT, RELAY, F.AUTHENTICATION),
        ("454 4.7.0 later", Phase.AUTH, TRANSIENT, RELAY, F.AUTHENTICATION),
        ("354 go on", Phase.END_OF_DATA, TRANSIENT, MESSAGE, F.CONTENT),
    ],
)
def test_a_reply_is_judged_by_its_codes_and_its_phase(
    line, phase, outcome, scope, reason
):
    verdict = judge(reply(line, phase))

    assert (verdict.outcome, verdict.scope, verdict.reason) == (outcome, scope, reason)


@pytest.mark.parametrize("line", ["530 5.7.0 log in", "421 bye", "554 closed"])
def test_a_fault_of_the_relay_never_condemns_the_mail(line):
    assert judge(reply(line, Phase.GREETING)).retryable


def test_an_enhanced_code_of_another_class_is_no_enhanced_code():
    assert reply("450 5.1.1 odd", Phase.RCPT).enhanced_code == ""


def test_real_replies_are_told_apart_as_retryable_or_not(corpora):
    """The published labels: hard failures are permanent, 4yz are temporary."""
    lines = (corpora / "smtp-replies" / "sisimai.jsonl").read_text().splitlines()
    samples = [json.loads(line) for line in lines]
    judged = [
        (s["code"][0] == "4", judge(reply(s["reply"], Phase.RCPT)).retryable)
        for s in samples
        if s.get("code") and s["reply"][:3].isdigit() and s["reply"][:3] == s["code"]
    ]

    right = sum(temporary == retryable for temporary, retryable in judged)
    assert len(judged) > 100
    assert right / len(judged) >= 0.95
