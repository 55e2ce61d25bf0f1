from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from postroom_server.domain.pacing import Rate
from postroom_server.outbox.tokens import LocalTokens

from tests.support.clocks import FakeClock

RATE = Rate(1.0, 50.0)


def test_threads_together_get_no_more_than_there_is():
    tokens = LocalTokens(FakeClock().monotonic)

    with ThreadPoolExecutor(8) as threads:
        taken = sum(
            grant.taken
            for grant in threads.map(lambda _: tokens.take("a", RATE, 1), range(200))
        )

    assert taken == 50


def test_scopes_are_apart():
    tokens = LocalTokens(FakeClock().monotonic)
    tokens.take("a", RATE, 50)

    assert tokens.take("b", RATE, 50).taken == 50


def test_looking_takes_nothing():
    clock = FakeClock()
    tokens = LocalTokens(clock.monotonic)
    tokens.take("a", RATE, 50)

    assert tokens.wait("a", RATE, ahead=2) == 3.0
    clock.advance(1)
    assert tokens.take("a", RATE, 5).taken == 1


def test_what_is_given_back_can_be_taken_again():
    tokens = LocalTokens(FakeClock().monotonic)
    tokens.take("a", RATE, 50)
    tokens.give_back("a", RATE, 2)

    assert tokens.take("a", RATE, 5).taken == 2
