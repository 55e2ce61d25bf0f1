"""How many round trips a mail costs, counted on the link."""

from __future__ import annotations

import pytest
from postroom_server.domain.secret import Secret
from postroom_server.smtp.pool import SessionPool
from postroom_server.smtp.settings import Encryption

from tests.support.certificates import good
from tests.support.counting_link import CountingLink
from tests.support.pools import use
from tests.support.relays import PoliteRelay
from tests.support.scripted_relay import ScriptedRelay

CONNECT_AND_GREETING = 2
"""Round trips before the client says anything: they are no turns on the link."""
MAILS = 20


@pytest.mark.parametrize(
    ("offer", "each"),
    [
        (("PIPELINING", "CHUNKING"), 1),
        (("PIPELINING",), 2),
        (("CHUNKING",), 3),
        ((), 4),
    ],
    ids=["both", "pipelining", "chunking", "neither"],
)
def test_a_mail_alone_on_a_kept_session(offer, each):
    with (
        ScriptedRelay(PoliteRelay(offer)) as relay,
        CountingLink(relay.port) as link,
    ):
        pool = SessionPool.of(relay.settings(port=link.port))
        assert use(pool)
        link.reset()
        assert all(use(pool) for _ in range(MAILS))
        turns = link.turns
        pool.close()

    assert turns == each * MAILS


def test_a_first_mail_with_starttls_and_a_password(ca_file):
    script = PoliteRelay(("PIPELINING", "CHUNKING", "AUTH PLAIN"), tls=good())
    with ScriptedRelay(script) as relay, CountingLink(relay.port) as link:
        pool = SessionPool.of(
            relay.settings(
                port=link.port,
                encryption=Encryption.TLS,
                tls_ca_file=ca_file,
                username="ada",
                password=Secret("pass word"),
            )
        )
        assert use(pool)
        cold = link.turns + CONNECT_AND_GREETING
        link.reset()
        assert all(use(pool) for _ in range(MAILS))
        warm = link.turns / MAILS
        pool.close()

    assert script.log_ins
    # The tickets of TLS 1.3 look like an answer to the end of the handshake.
    assert cold <= 9
    assert warm <= 1.1
