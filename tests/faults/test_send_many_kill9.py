"""`kill -9` in the middle of a stream: what was answered is so, and the rest goes on."""

from __future__ import annotations

from collections import Counter

import pytest
from postroom import AttemptOutcome, Client, Status
from postroom_server.sandbox.relay import SandboxRelay

from tests.support.process import PAUSE, daemon, free_port
from tests.support.service import plain, settings

# It starts processes, which a loaded machine does slowly.
pytestmark = pytest.mark.timeout(180)

MAILS = 400
KILLED_AFTER = 100


@pytest.mark.parametrize("completion", ["relayed", "accepted"])
def test_a_stream_goes_on_with_the_next_process_and_sends_nothing_twice(
    tmp_path, completion
):
    port, answered = free_port(), {}
    with SandboxRelay() as relay:
        config = settings(tmp_path, {"main": plain(relay.port)})
        with daemon(config, port) as victim, Client(victim.target) as client:
            several = client.send_many(
                mails(), completion=completion, window=50, timeout=120
            )
            for one in several:
                answered[one.key] = one
                if len(answered) == KILLED_AFTER:
                    victim.kill()
                    break
            before = dict(answered)
            with daemon(config, port) as second, Client(second.target) as client_2:
                for one in several:
                    assert one.key not in answered
                    answered[one.key] = one
                at_rest(client_2)
                results = {
                    key: client_2.get(request_id=f"r-{key}").result for key in answered
                }

    arrived = Counter(mail.recipients[0] for mail in relay.messages)
    assert len(answered) == MAILS
    assert all(results[key].delivery == before[key].result.delivery for key in before)
    for key, result in results.items():
        times = arrived[f"n{key}@example.com"]
        if in_doubt(result):
            # It was past its end of data: it is sent again in minutes, or by request.
            assert times <= 1
        else:
            assert times == 1 or (times == 2 and result.maybe_duplicate)
            assert completion == "accepted" or result.status is Status.SUCCESS


def at_rest(client):
    """Wait until nothing is sent, or would be at once."""
    for _ in range(600):
        queue = client.stats().queue
        if not (queue.due or queue.sending):
            return
        PAUSE.wait(0.05)
    raise AssertionError(f"it never came to rest: {queue}")


def in_doubt(result):
    """Whether the relay may have it, as far as the last attempt tells."""
    last = result.attempts[-1].outcome
    waits = not result.is_final and last is AttemptOutcome.UNCERTAIN
    return waits or result.status is Status.UNCERTAIN


def mails():
    for number in range(MAILS):
        to = f"n{number}@example.com"
        yield (
            number,
            {
                "from_": "me@example.com",
                "to": to,
                "subject": "x",
                "text": "x",
                "request_id": f"r-{number}",
            },
        )
