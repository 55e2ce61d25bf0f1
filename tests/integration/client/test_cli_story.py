"""`postroom get` tells the story of a mail in words."""

from __future__ import annotations

import json

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from postroom.cli.app import app
from postroom.cli.story import span
from postroom.v1 import attempt_pb2, delivery_pb2, delivery_requests_pb2
from typer.testing import CliRunner

from tests.integration.client.answers import NAME, refused, result, taken

START = 1_760_000_000


@pytest.fixture
def get(service):
    def run(*options, **fields):
        response = delivery_requests_pb2.GetDeliveryResponse(
            delivery=delivery_requests_pb2.Delivery(
                name=NAME,
                result=result(accepted_at=at(0), **{"status": "SUCCESS", **fields}),
                relay="relays/main",
            )
        )
        service.script("GetDelivery", response)
        return CliRunner().invoke(
            app, ["--target", service.target, "get", *options, "x"]
        )

    return run


def at(seconds):
    whole = int(seconds)
    nanos = round((seconds - whole) * 1e9)
    return Timestamp(seconds=START + whole, nanos=nanos)


def attempt(number, outcome, began, took, **fields):
    made = attempt_pb2.Attempt(
        number=number,
        relay="relays/main",
        started_at=at(began),
        ended_at=at(began + took),
        outcome=attempt_pb2.AttemptOutcome.Value(f"ATTEMPT_OUTCOME_{outcome}"),
        **fields,
    )
    made.timings.add(phase=attempt_pb2.PHASE_DNS).duration.FromMilliseconds(12)
    return made


def put_off(number=1, began=0, **fields):
    return attempt(
        number,
        "TEMP_FAILED",
        began,
        0.5,
        phase=attempt_pb2.PHASE_RCPT,
        reply=attempt_pb2.SmtpReply(code=451, enhanced_code="4.7.1", text="later"),
        remote="smtp.example.com:587 [192.0.2.1]",
        tls_version="TLSv1.3",
        recipients_deferred=1,
        recipients_refused=1,
        **fields,
    )


def story(found):
    """What follows the table of facts, less the dates."""
    lines = found.stdout.partition("accepted, to go to")[2].splitlines()
    return [line.split("  ", 1)[-1].strip() for line in lines[1:]]


def test_each_attempt_tells_the_way_the_time_the_replies_and_what_came_next(get):
    unknown, ada = refused("bob@example.com"), taken("ada@example.com")
    unknown.settled_at.CopyFrom(at(0.5))
    ada.settled_at.CopyFrom(at(300.75))
    ada.reply.code, ada.reply.text = 250, "queued"
    last = attempt(
        2,
        "ACCEPTED",
        300.5,
        0.25,
        phase=attempt_pb2.PHASE_END_OF_DATA,
        session_reused=True,
        recipients_delivered=1,
    )
    found = get(
        status="PARTIAL",
        attempts=[put_off(), last],
        recipients=[ada, unknown],
        settled_at=at(300.75),
    )

    assert found.exit_code == 0
    assert story(found) == [
        "attempt 1: TEMP_FAILED, put off at RCPT: 451 4.7.1 later",
        "over smtp.example.com:587 [192.0.2.1], TLSv1.3, a new session",
        "DNS 12 ms; 500 ms in all",
        "recipients: 1 refused, 1 put off",
        "bob@example.com REFUSED 550 5.1.1 no such user",
        "tried again after 5 min 0 s",
        "attempt 2: ACCEPTED, the relay took it at END_OF_DATA",
        "over relays/main, a session used before",
        "DNS 12 ms; 250 ms in all",
        "recipients: 1 delivered",
        "ada@example.com DELIVERED 250 queued",
        "ended: PARTIAL, after 5 min 1 s",
    ]


def test_what_is_not_over_says_what_comes_next(get):
    ada = delivery_pb2.RecipientResult(
        address="ada@example.com",
        status=delivery_pb2.RECIPIENT_STATUS_DEFERRED,
        reply=attempt_pb2.SmtpReply(code=451, enhanced_code="4.7.1", text="later"),
    )
    found = get(
        status="RETRY",
        attempts=[put_off()],
        recipients=[ada],
        next_attempt_at=at(600),
    )

    assert story(found)[-2:] == [
        "ada@example.com DEFERRED 451 4.7.1 later",
        "the next attempt is due",
    ]


def test_attempts_that_were_left_out_are_counted(get):
    found = get(
        status="RETRY",
        attempts=[put_off(1), put_off(9, 900), put_off(10, 1000)],
        attempts_omitted=7,
    )
    lines = story(found)

    assert "... 7 attempts left out" in found.stdout
    # What is left out came between.
    assert [line for line in lines if "again" in line] == [
        "tried again after 1 min 40 s"
    ]


@pytest.mark.parametrize(
    ("status", "told"), [("QUEUED", "now: QUEUED"), ("SENDING", "now: SENDING")]
)
def test_what_was_not_tried_is_where_it_is(get, status, told):
    assert story(get(status=status)) == [told]


def test_the_facts_stand_as_json_for_programs(get):
    found = json.loads(get("--json", status="RETRY", attempts=[put_off()]).stdout)

    assert found["result"]["attempts"][0]["outcome"] == "TEMP_FAILED"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 ms"),
        (0.0124, "12 ms"),
        (1.26, "1.3 s"),
        (75, "1 min 15 s"),
        (3700, "1 h 1 min"),
        (200_000, "2 d 7 h"),
    ],
)
def test_a_length_of_time_is_told_in_the_units_that_matter(seconds, words):
    assert span(seconds) == words
