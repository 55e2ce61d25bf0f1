"""Looking for mails, and what a test is told when they are not there."""

from __future__ import annotations

import re

import pytest
from postroom import Completion


def test_mails_are_found_by_recipient_and_subject(postroom, send):
    send("ada@example.com", cc="eve@example.com", subject="Order 7")
    send("bob@example.com", subject="Welcome")
    inbox = postroom.inbox

    assert [m.subject for m in inbox] == ["Order 7", "Welcome"]
    assert inbox.one(to="EVE@example.com").subject == "Order 7"
    assert inbox.one(subject="Welcome").recipients == ("bob@example.com",)
    assert inbox.one(subject=re.compile(r"Order \d")) is not None
    assert inbox.find(to="nobody@example.com") == ()
    assert inbox[-1].subject == "Welcome"
    assert [m.subject for m in inbox[:1]] == ["Order 7"]


def test_a_mail_on_its_way_is_waited_for(postroom, send):
    postroom.relay.defer("*", times=1)
    send(completion=Completion.ACCEPTED)

    assert postroom.inbox.one(timeout=30).subject == "Hello"


def test_a_mail_that_does_not_come_is_told_with_those_that_did(postroom, send):
    send(subject="Welcome")
    send("bob@example.com", subject="Order 7")
    with pytest.raises(AssertionError) as failed:
        postroom.inbox.one(to="eve@example.com", subject="Bye", timeout=0.01)

    assert str(failed.value) == (
        "expected 1 mail to eve@example.com with the subject 'Bye' within 0.01 s, "
        "and 0 came.\n"
        "The inbox holds 2 mails:\n"
        "  1. 'Welcome' from sender@example.com to ada@example.com\n"
        "  2. 'Order 7' from sender@example.com to bob@example.com"
    )


def test_an_empty_inbox_is_told(postroom):
    with pytest.raises(AssertionError) as failed:
        postroom.inbox.wait_for(2, subject=re.compile("x+"), timeout=0)

    assert str(failed.value) == (
        "expected 2 mails with a subject like 'x+' within 0 s, and 0 came.\n"
        "The inbox is empty."
    )


def test_more_than_one_is_not_one(postroom, send):
    send()
    send()
    with pytest.raises(AssertionError, match="expected 1 mail, and 2 came"):
        postroom.inbox.one()


def test_an_inbox_that_has_to_be_empty(postroom, send):
    postroom.inbox.assert_empty()
    send()
    postroom.inbox.assert_empty(to="eve@example.com")
    with pytest.raises(AssertionError, match="expected no mail, and 1 came"):
        postroom.inbox.assert_empty()


def test_a_cleared_inbox_takes_the_next(postroom, send):
    send(subject="one")
    postroom.inbox.clear()
    send(subject="two")

    assert [m.subject for m in postroom.inbox] == ["two"]


def test_a_long_inbox_is_cut_in_a_failure(postroom, send):
    for number in range(22):
        send(subject=f"{number}")
    with pytest.raises(AssertionError) as failed:
        postroom.inbox.assert_empty()

    assert str(failed.value).endswith("  and 2 more")


def test_it_can_be_read_after_the_end(postroom, send):
    send()
    postroom.close()

    assert postroom.inbox.one(timeout=0).subject == "Hello"
