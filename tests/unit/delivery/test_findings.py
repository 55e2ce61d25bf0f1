from __future__ import annotations

import pytest
from postroom_server.delivery.findings import (
    Found,
    deciding,
    of_session_failure,
    of_transaction,
    outcome_of,
)
from postroom_server.domain.attempt import AttemptOutcome, FailureReason, Phase
from postroom_server.domain.reply import Reply
from postroom_server.smtp.errors import SessionError
from postroom_server.smtp.transaction import TransactionReport

YES = Reply(250, "2.1.5", "ok", Phase.RCPT)
LATER = Reply(450, "4.2.1", "greylisted", Phase.RCPT)
NO = Reply(550, "5.1.1", "no such user", Phase.RCPT)
LOG_IN = Reply(530, "5.7.0", "log in first", Phase.RCPT)


def a_report(*rcpt, **fields):
    plain = {
        "mail": Reply(250, "2.1.0", "ok", Phase.MAIL),
        "rcpt": rcpt,
        "data": None,
        "final": None,
        "phase": Phase.RCPT,
        "end_of_data_sent": False,
        "called_off": False,
        "failure": None,
        "timings": (),
        "octets_sent": 0,
    }
    return TransactionReport(**(plain | fields))


@pytest.mark.parametrize(
    ("refusal", "found", "reason"),
    [
        (LATER, Found.TEMPORARY, FailureReason.MAILBOX_UNAVAILABLE),
        (LOG_IN, Found.RELAY_AT_FAULT, FailureReason.AUTHENTICATION),
    ],
)
@pytest.mark.parametrize("place", [0, 1])
def test_all_or_none_puts_the_others_off_for_the_refusal_that_did_it(
    refusal, found, reason, place
):
    replies = [YES, YES]
    replies[place] = refusal

    findings = of_transaction(a_report(*replies), all_or_none=True)

    other = findings[1 - place]
    assert findings[place].reply == refusal
    assert (other.found, other.reason) == (found, reason)
    assert other.reply is None, "the reply is about somebody else"


def test_all_or_none_withholds_from_all_but_the_refused():
    findings = of_transaction(a_report(YES, NO, LATER), all_or_none=True)

    assert [f.found for f in findings] == [
        Found.WITHHELD,
        Found.REFUSED,
        Found.WITHHELD,
    ]


def test_all_or_none_does_not_hide_that_the_link_broke():
    failure = SessionError(Phase.RCPT, FailureReason.NETWORK, "gone")

    findings = of_transaction(a_report(NO, None, failure=failure), all_or_none=True)

    assert [f.found for f in findings] == [Found.REFUSED, Found.TEMPORARY]
    assert findings[1].reason is FailureReason.NETWORK


def test_an_attempt_whose_caller_ran_out_of_time_was_abandoned():
    failure = SessionError(Phase.GREETING, FailureReason.DEADLINE, "too slow")

    finding = of_session_failure(failure)

    assert outcome_of([finding]) is AttemptOutcome.ABANDONED
    assert deciding([finding]).reason is FailureReason.DEADLINE


def test_what_is_told_of_a_broken_link_keeps_to_its_length():
    failure = SessionError(Phase.END_OF_DATA, FailureReason.NETWORK, "x" * 600)
    report = a_report(YES, failure=failure, end_of_data_sent=True)

    (finding,) = of_transaction(report, all_or_none=False)

    assert finding.found is Found.UNCERTAIN
    assert len(finding.detail.encode()) <= 512
