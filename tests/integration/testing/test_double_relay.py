"""Trouble on demand, and what callers learn of it."""

from __future__ import annotations

import pytest
from postroom import FailureReason, OnUncertain, RetryPolicy, Status

AT_ONCE = RetryPolicy(disabled=True)


def test_a_refused_recipient_leaves_the_others_alone(postroom, send):
    postroom.relay.refuse("bob@example.com", "550 5.1.1 no Bob here")
    result = send(["ada@example.com", "bob@example.com"])

    assert result.status is Status.PARTIAL
    assert result.recipient_failures["bob@example.com"].text == "no Bob here"
    assert postroom.inbox.one().recipients == ("ada@example.com",)


@pytest.mark.parametrize("pattern", ["*", "*@example.com", "ADA@example.com"])
def test_addresses_are_told_by_patterns(postroom, send, pattern):
    postroom.relay.refuse(pattern)

    assert send().status is Status.REJECTED


def test_trouble_of_others_is_none(postroom, send):
    postroom.relay.refuse("*@example.org")
    postroom.relay.refuse_sender("eve@example.com")

    assert send().status is Status.SUCCESS


@pytest.mark.parametrize(
    ("trouble", "status"),
    [
        (lambda relay: relay.defer("*"), Status.TEMP_FAILED),
        (lambda relay: relay.refuse_sender(), Status.REJECTED),
        (lambda relay: relay.reject_content(), Status.FAILED),
        (lambda relay: relay.refuse_login(), Status.FAILED),
        (lambda relay: relay.hang_up(after="EHLO"), Status.TEMP_FAILED),
        (lambda relay: relay.go_away(), Status.TEMP_FAILED),
    ],
    ids=[
        *("defer", "refuse_sender", "reject_content", "refuse_login"),
        *("hang_up", "go_away"),
    ],
)
def test_callers_learn_of_trouble_until_it_is_lifted(postroom, send, trouble, status):
    with trouble(postroom.relay):
        result = send(retry=AT_ONCE)
    postroom.inbox.assert_empty()
    postroom.reset()

    assert result.status is status
    assert send().status is Status.SUCCESS


def test_refused_credentials_have_their_reason(postroom, send):
    postroom.relay.refuse_login()

    assert send().reason is FailureReason.AUTHENTICATION


@pytest.mark.parametrize("keep", [True, False])
def test_a_link_that_is_cut_after_the_data_leaves_the_fate_open(postroom, send, keep):
    postroom.relay.hang_up(keep=keep)
    result = send(on_uncertain=OnUncertain.HOLD)

    assert result.status is Status.UNCERTAIN
    assert len(postroom.inbox) == keep


def test_trouble_may_happen_some_times_only(postroom, send):
    postroom.relay.hang_up(after="EHLO", times=2)

    assert send().status is Status.SUCCESS
    assert len(postroom.inbox) == 1


def test_a_slow_relay_takes_the_callers_time(postroom, send):
    with postroom.relay.slow(60):
        result = send(wait_timeout=1.0, retry=AT_ONCE)

    assert result.reason is FailureReason.DEADLINE
    postroom.inbox.assert_empty()


def test_a_relay_goes_away_and_comes_back(postroom, send):
    send()
    postroom.relay.go_away()
    away = send(retry=AT_ONCE)
    postroom.relay.come_back()

    assert away.reason is FailureReason.NETWORK
    assert send().status is Status.SUCCESS


def test_all_trouble_is_lifted_at_once(postroom, send):
    postroom.relay.refuse("*")
    postroom.relay.slow(60)
    postroom.relay.go_away()
    postroom.relay.calm()

    assert send().status is Status.SUCCESS


def test_connections_are_counted(postroom, send):
    send()
    send()

    assert postroom.relay.connections == 1


@pytest.mark.parametrize(
    "reply", ["250 2.0.0 fine", "no", "550\r\n250 ok", "550 é", "5500 x", ""]
)
def test_what_no_relay_would_say_is_refused(postroom, reply):
    with pytest.raises(ValueError, match="a reply is"):
        postroom.relay.refuse("*", reply)


def test_what_is_no_moment_or_no_number_is_refused(postroom):
    with pytest.raises(ValueError, match="after must be one of EHLO, DATA"):
        postroom.relay.hang_up(after="QUIT")
    with pytest.raises(ValueError, match="times must be at least 1"):
        postroom.relay.defer("*", times=0)
