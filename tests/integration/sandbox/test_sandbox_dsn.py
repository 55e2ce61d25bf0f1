"""The sandbox keeps what is asked of it about notifications."""

from __future__ import annotations

import pytest

RECIPIENT = "bob@example.com"
MAIL = "MAIL FROM:<ada@example.com>"
RCPT = f"RCPT TO:<{RECIPIENT}>"


def test_what_was_asked_is_kept_as_it_came(client, relay):
    client.ask(f"{MAIL} SIZE=8 RET=HDRS ENVID=Order+2017")
    client.ask(f"{RCPT} NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob+2B1@example.com")
    client.ask("RCPT TO:<eve@example.com>")
    client.bdat(b"A: b\r\n\r\n", " LAST")
    client.begin(RECIPIENT)
    client.bdat(b"A: b\r\n\r\n", " LAST")
    first, second = relay.messages

    assert first.asked == (
        ("RET=HDRS", "ENVID=Order+2017"),
        ("NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;Bob+2B1@example.com"),
        (),
    )
    assert second.asked == ((), ())


@pytest.mark.parametrize(
    "line",
    [
        f"{MAIL} RET=ALL",
        f"{MAIL} ENVID=a=b",
        f"{MAIL} ENVID=a+2",
        f"{MAIL} NOTIFY=NEVER",
        f"{RCPT} NOTIFY=NEVER,SUCCESS",
        f"{RCPT} NOTIFY=LATE",
        f"{RCPT} RET=FULL",
    ],
)
def test_what_is_no_parameter_is_refused(client, line):
    if line.startswith("RCPT"):
        client.ask(MAIL)

    assert client.ask(line)[0] == "5"


def test_the_longest_parameters_fit(client):
    assert client.ask(f"{MAIL} RET=FULL ENVID={'+2B' * 100}")[:3] == "250"
    assert client.ask(f"{RCPT} ORCPT=rfc822;{'+2B' * 160}@example.com")[:3] == "250"
