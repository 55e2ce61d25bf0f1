from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

RECIPIENT = "bob@example.com"


def test_a_flight_of_commands_is_answered_in_order(client, relay):
    flight = (
        b"MAIL FROM:<ada@example.com> SIZE=10\r\nRCPT TO:<bob@example.com>\r\n"
        b"RCPT TO:<bounce@example.com>\r\nDATA\r\n"
    )
    client.say(flight)
    codes = [client.reply()[:3] for _ in range(4)]
    client.say(b"Subject: x\r\n\r\n.\r\nMAIL FROM:<ada@example.com>\r\nNOOP\r\n")
    codes += [client.reply()[:3] for _ in range(3)]

    assert codes == ["250", "250", "550", "354", "250", "250", "250"]
    assert relay.messages[0].recipients == (RECIPIENT,)


def test_chunks_make_one_mail(client, relay):
    client.begin(RECIPIENT)
    replies = [
        client.bdat(b"Subject: x\r\n"),
        client.bdat(b"\r\n..two"),
        client.bdat(b".\r\n", " LAST"),
    ]

    assert [reply[:3] for reply in replies] == ["250"] * 3
    assert relay.messages[0].data == b"Subject: x\r\n\r\n..two.\r\n"


def test_chunks_in_one_flight_with_the_envelope_make_a_mail(client, relay):
    client.say(
        b"MAIL FROM:<ada@example.com>\r\nRCPT TO:<bob@example.com>\r\n"
        b"BDAT 6\r\nA: b\r\nBDAT 6 LAST\r\n\r\nhi\r\nRSET\r\n"
    )
    replies = [client.reply()[:3] for _ in range(5)]

    assert replies == ["250"] * 5
    assert relay.messages[0].data == b"A: b\r\n\r\nhi\r\n"


def test_an_empty_last_chunk_ends_a_mail(client, relay):
    client.begin(RECIPIENT)
    client.bdat(b"Subject: x\r\n\r\n")
    client.bdat(b"", " LAST")

    assert relay.messages[0].data == b"Subject: x\r\n\r\n"


def test_reset_between_chunks_forgets_them(client, relay):
    client.begin(RECIPIENT)
    client.bdat(b"half a mail")
    client.ask("RSET")
    client.begin(RECIPIENT)
    client.bdat(b"A: b\r\n\r\n", " LAST")

    assert [message.data for message in relay.messages] == [b"A: b\r\n\r\n"]


def test_data_after_a_chunk_is_refused(client, relay):
    client.begin(RECIPIENT)
    client.bdat(b"A: b\r\n")

    assert client.ask("DATA").startswith("503 5.5.1")


def test_octets_of_a_refused_chunk_are_read_and_later_chunks_refused(client, relay):
    refused = client.bdat(b"NOOP\r\nNOOP\r\n")
    again = client.bdat(b"QUIT\r\n", " LAST")

    assert refused.startswith("503")
    assert again.startswith("503")
    assert client.ask("NOOP").startswith("250")
    assert relay.messages == ()


def test_one_refused_chunk_refuses_all_until_a_reset(client, relay):
    relay.fail_next("DATA", "452 4.3.1 no room")
    client.begin(RECIPIENT)
    replies = [client.bdat(b"A: b\r\n"), client.bdat(b"\r\n", " LAST")]
    client.ask("RSET")
    client.begin(RECIPIENT)
    replies.append(client.bdat(b"C: d\r\n\r\n", " LAST"))

    assert [reply[:3] for reply in replies] == ["452", "503", "250"]
    assert [message.data for message in relay.messages] == [b"C: d\r\n\r\n"]


@pytest.mark.parametrize("arguments", ["", "x", "-1", "5 FIRST", "5 LAST x"])
def test_a_chunk_of_unknown_length_ends_the_session(client, arguments):
    client.begin(RECIPIENT)

    assert client.ask(f"BDAT {arguments}".strip()).startswith("501 5.5.4")
    assert client.reply() == ""


@pytest.mark.parametrize(
    ("wire", "content"),
    [
        (b".\r\n", b""),
        (b"\r\n.\r\n", b"\r\n"),
        (b"..\r\n.\r\n", b".\r\n"),
        (b"a\r\n..b\r\n...\r\n.\r\n", b"a\r\n.b\r\n..\r\n"),
        (b"a\n.\nb\r\n.\r\n", b"a\n.\nb\r\n"),
        (b"a.\r\n.\r\n", b"a.\r\n"),
    ],
)
def test_dots_are_unstuffed_in_data_alone(client, relay, wire, content):
    client.begin(RECIPIENT)
    client.ask("DATA")
    client.say(wire)

    assert client.reply().startswith("250 2.0.0")
    assert relay.messages[0].data == content


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(st.sampled_from([b".", b"\r\n", b"a", b"\n", b"\r", b".."])))
def test_any_stuffed_content_comes_out_as_it_went_in(client, relay, pieces):
    content = b"".join(pieces) + b"\r\n"
    relay.clear()
    client.begin(RECIPIENT)
    client.ask("DATA")
    client.say((b"\r\n" + content).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n")
    client.reply()

    assert relay.messages[0].data == content


@pytest.mark.parametrize(
    ("commands", "code"),
    [
        (["MAIL FROM:<ada@example.com>", "DATA"], "554 5.5.1"),
        (["RCPT TO:<bob@example.com>"], "503 5.5.1"),
        (["DATA"], "503 5.5.1"),
        (["MAIL FROM:ada@example.com"], "553 5.1.3"),
        (["MAIL FROM:<a@example.com> BODY=BINARYMIME"], "501 5.5.4"),
        (["MAIL FROM:<a@example.com> RET=ALL"], "555 5.5.4"),
        (["MAIL FROM:<a@example.com> SIZE=999999999999"], "552 5.3.4"),
        (["MAIL FROM:<ada@example.com>", "RCPT TO:<>"], "553 5.1.3"),
        (["WHAT"], "500 5.5.2"),
        (["VRFY ada@example.com"], "252 2.0.0"),
        (["QUIT"], "221 2.0.0"),
    ],
)
def test_replies_carry_enhanced_codes(client, commands, code):
    *before, last = commands
    for command in before:
        client.ask(command)

    assert client.ask(last).startswith(code)


@pytest.mark.parametrize(
    "address",
    [
        '"a b"@example.com',
        '"a>b"@example.com',
        "jürgen@example.com",
        '"ada"@example.com',
    ],
)
def test_addresses_are_kept_exactly_as_they_came(client, relay, address):
    client.begin(address, sender=address)
    client.bdat(b"A: b\r\n\r\n", " LAST")

    assert relay.messages[0].recipients == (address,)
    assert relay.messages[0].envelope_from == address


def test_the_null_reverse_path_is_an_empty_sender(client, relay):
    client.begin(RECIPIENT, sender="")
    client.bdat(b"A: b\r\n\r\n", " LAST")

    assert relay.messages[0].envelope_from == ""
