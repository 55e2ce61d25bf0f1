from __future__ import annotations

import socket
import threading

import pytest
from postroom_server.domain.attempt import FailureReason, Phase
from postroom_server.smtp.errors import SessionError
from postroom_server.smtp.resolve import MAX_LOOKUPS, Resolver
from postroom_server.smtp.timeouts import Deadline, Wait

from tests.support.pools import wait_until

FOUND = [
    (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 25, 0, 0)),
    (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 25)),
]


@pytest.fixture
def stuck():
    """A resolver that answers when it is told to."""
    released = threading.Event()
    asked = []

    def getaddrinfo(host, *_, **__):
        asked.append(host)
        released.wait(10)
        return FOUND

    resolver = Resolver(getaddrinfo)
    resolver.asked = asked
    yield resolver
    released.set()


def test_all_addresses_are_given_in_the_systems_order():
    found = Resolver(lambda *_, **__: FOUND).resolve("relay.example", 25, Wait(5))

    assert [endpoint.ip for endpoint in found] == ["::1", "127.0.0.1"]


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (socket.gaierror(-2, "Name or service not known"), "not known"),
        (OSError(24, "Too many open files"), "open files"),
        (UnicodeError("label too long"), "label"),
    ],
)
def test_a_name_that_does_not_resolve_is_a_network_failure(error, detail):
    def getaddrinfo(*_, **__):
        raise error

    with pytest.raises(SessionError, match=detail) as failed:
        Resolver(getaddrinfo).resolve("relay.example", 25, Wait(5))

    assert failed.value.phase is Phase.DNS
    assert failed.value.reason is FailureReason.NETWORK
    assert not failed.value.permanent


def test_a_name_without_addresses_is_a_failure():
    with pytest.raises(SessionError, match="no address"):
        Resolver(lambda *_, **__: []).resolve("relay.example", 25, Wait(5))


@pytest.mark.parametrize(
    ("wait", "reason"),
    [
        (lambda: Wait(0.01), FailureReason.TIMEOUT),
        (lambda: Wait(5, Deadline.after(0.01)), FailureReason.DEADLINE),
    ],
)
def test_a_resolver_that_hangs_holds_nobody(stuck, wait, reason):
    with pytest.raises(SessionError) as failed:
        stuck.resolve("relay.example", 25, wait())

    assert failed.value.reason is reason


def test_those_who_ask_for_one_name_share_one_lookup(stuck):
    for _ in range(3):
        with pytest.raises(SessionError):
            stuck.resolve("relay.example", 25, Wait(0.01))

    # The thread that looks it up may be on its way still.
    wait_until(lambda: stuck.asked)
    assert stuck.asked == ["relay.example"]


def test_lookups_under_way_are_bounded(stuck):
    for number in range(MAX_LOOKUPS):
        with pytest.raises(SessionError, match="in time"):
            stuck.resolve(f"relay{number}.example", 25, Wait(0))

    with pytest.raises(SessionError, match="too many"):
        stuck.resolve("one-more.example", 25, Wait(0))
