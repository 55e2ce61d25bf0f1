from __future__ import annotations

import pytest
from postroom_server.sandbox.relay_faults import HANG_UP, Fault, Step

RECIPIENT = "bob@example.com"
MAIL = b"A: b\r\n\r\n"


@pytest.mark.parametrize(
    ("address", "reply"),
    [
        ("success@example.com", "250 2.1.5"),
        ("bounce@example.com", "550 5.1.1"),
        ("Bounce+label@example.org", "550 5.1.1"),
        ("defer@example.com", "451 4.7.1"),
        ("full@example.com", "452 4.2.2"),
        ("reject-content@example.com", "250 2.1.5"),
        ("bouncer@example.com", "250 2.1.5"),
    ],
)
def test_addresses_stand_for_failures(client, address, reply):
    assert client.begin(address)[1].startswith(reply)


def test_an_address_defers_once(client):
    client.begin("defer-once@example.com")
    again = client.ask("RCPT TO:<defer-once@example.com>")

    assert again.startswith("250")


def test_an_address_has_the_content_refused(client, relay):
    client.begin(RECIPIENT, "reject-content@example.com")

    assert client.bdat(MAIL, " LAST").startswith("554 5.6.0")
    assert relay.messages == ()


def test_an_address_loses_the_reply_and_not_the_mail(client, relay):
    client.begin("lost@example.com")

    assert client.bdat(MAIL, " LAST") == ""
    assert len(relay.messages) == 1


def test_a_refused_address_leaves_the_others_alone(client, relay):
    relay.refuse("eve@example.com", "550 5.1.1 no such user")
    replies = client.begin(RECIPIENT, "EVE@example.com")
    client.bdat(MAIL, " LAST")

    assert replies[2] == "550 5.1.1 no such user"
    assert relay.messages[0].recipients == (RECIPIENT,)


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA", "END"])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_step_fails_as_often_as_told(client, relay, step, chunked):
    relay.fail_next(step, "451 4.3.0 not now", times=2)

    outcomes = [_offer(client, chunked) for _ in range(3)]

    assert outcomes == ["451 4.3.0 not now"] * 2 + [""]
    assert len(relay.messages) == 1


@pytest.mark.parametrize("step", ["NOOP", "RSET", "VRFY ada@example.com"])
def test_a_command_outside_of_mail_can_fail(client, relay, step):
    relay.fail_next(step[:4], "500 5.5.1 what")

    assert [client.ask(step)[0], client.ask(step)[0]] == ["5", "2"]


def test_a_greeting_of_the_client_can_fail(client, relay):
    relay.fail_next("EHLO", "550 5.7.1 go away")

    assert client.ask("EHLO again.example") == "550 5.7.1 go away"


def test_an_unknown_step_is_told_at_once(relay):
    with pytest.raises(ValueError, match="NOWHERE"):
        relay.fail_next("NOWHERE", "451 4.3.0 not now")


def test_a_421_ends_the_session(client, relay):
    relay.fail_next("MAIL", "421 4.3.2 shutting down")

    assert client.ask("MAIL FROM:<ada@example.com>") == "421 4.3.2 shutting down"
    assert client.reply() == ""


@pytest.mark.parametrize(("keep", "kept"), [(True, 1), (False, 0)])
def test_the_link_is_cut_in_place_of_the_last_reply(connect, relay, keep, kept):
    relay.drop_after_data(keep=keep)
    first, second = connect(), connect()
    first.begin(RECIPIENT)
    second.begin(RECIPIENT)

    assert first.bdat(MAIL, " LAST") == ""
    assert len(relay.messages) == kept
    assert second.bdat(MAIL, " LAST").startswith("250")


@pytest.mark.parametrize("reply", ["", "421 4.4.2 idle for too long"])
def test_only_idle_clients_are_hung_up_on(connect, relay, reply):
    idle, busy = connect(), connect()
    busy.begin(RECIPIENT)

    assert relay.close_idle(reply) == 1
    assert idle.reply() == reply
    assert idle.reply() == ""
    assert busy.bdat(MAIL, " LAST").startswith("250")


def _offer(client, chunked):
    """The reply that refused a mail; empty when it was taken."""
    replies = client.begin(RECIPIENT)
    if chunked:
        replies.append(client.bdat(MAIL, " LAST"))
    elif not _bad(replies):
        replies.append(client.ask("DATA"))
        if replies[-1].startswith("354"):
            client.say(MAIL + b".\r\n")
            replies.append(client.reply())
    client.ask("RSET")
    return next(iter(_bad(replies)), "")


def _bad(replies):
    return [reply for reply in replies if reply[0] in "45"]


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
def test_what_was_sent_behind_a_cut_is_not_taken(client, relay, step):
    relay.add(Fault(step=Step(step), reply=HANG_UP))
    client.say(
        b"MAIL FROM:<ada@example.com>\r\nRCPT TO:<bob@example.com>\r\n"
        b"BDAT %d LAST\r\n" % len(MAIL) + MAIL
    )
    while client.reply():
        pass

    assert relay.messages == ()


@pytest.mark.parametrize(
    ("pattern", "address", "fits"),
    [
        ("", "bob@example.com", True),
        ("*", "bob@example.com", True),
        ("*@Example.com", "BOB@example.com", True),
        ("bob@example.com", "Bob@Example.com", True),
        ("bob@example.com", "rob@example.com", False),
        ("*@example.com", "bob@example.org", False),
    ],
)
def test_a_fault_is_about_the_addresses_of_its_pattern(pattern, address, fits):
    fault = Fault(step=Step.RCPT, reply="550 no", address=pattern)

    assert fault.fits(Step.RCPT, address) is fits
    assert not fault.fits(Step.MAIL, address)


def test_a_fault_that_is_counted_comes_before_one_that_lasts(relay):
    lasting = Fault(step=Step.MAIL, reply="550 lasting")
    counted = [Fault(step=Step.MAIL, reply=f"451 {n}", times=1) for n in "ab"]
    for fault in (lasting, *counted):
        relay.add(fault)
    said = [relay._faults.next_reply(Step.MAIL) for _ in range(3)]
    relay.lift(lasting)

    assert said == ["451 a", "451 b", "550 lasting"]
    assert relay._faults.next_reply(Step.MAIL) is None
