from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom_server.smtp.commands import (
    MAX_AUTH_LINE,
    UnsafeCommand,
    Verb,
    bdat_last,
    command,
    mail,
    rcpt,
)


@pytest.mark.parametrize(
    ("line", "octets"),
    [
        (command(Verb.EHLO, "client.example"), b"EHLO client.example\r\n"),
        (command(Verb.DATA), b"DATA\r\n"),
        (mail("a@b.example"), b"MAIL FROM:<a@b.example>\r\n"),
        (mail(""), b"MAIL FROM:<>\r\n"),
        (mail("a@b.example", "SIZE=12"), b"MAIL FROM:<a@b.example> SIZE=12\r\n"),
        (rcpt("a@b.example"), b"RCPT TO:<a@b.example>\r\n"),
        (rcpt('"a> b"@b.example'), b'RCPT TO:<"a> b"@b.example>\r\n'),
        (
            rcpt("пример@b.example", utf8=True),
            "RCPT TO:<пример@b.example>\r\n".encode(),
        ),
        (bdat_last(1024), b"BDAT 1024 LAST\r\n"),
    ],
)
def test_a_command_is_one_line(line, octets):
    assert line == octets


@pytest.mark.parametrize(
    "control", ["\r", "\n", "\r\n", "\0", "\x1b", "\x7f", "\x85", "\u2028"]
)
@pytest.mark.parametrize(
    "build",
    [
        lambda text: command(Verb.EHLO, text, utf8=True),
        lambda text: mail(text, utf8=True),
        lambda text: mail("a@b.example", text, utf8=True),
        lambda text: rcpt(text, utf8=True),
        lambda text: command(Verb.AUTH, "PLAIN", text, utf8=True),
    ],
)
def test_no_argument_can_end_a_line(build, control):
    with pytest.raises(UnsafeCommand):
        build(f"a{control}RCPT TO:<x@y.example>")


@pytest.mark.parametrize(
    "address",
    [
        "a@b.example> SIZE=1",
        "a@b.example> ORCPT=rfc822;x",
        "<a@b.example>",
        "a@b.example>,<c@d.example",
        "a b@c.example",
        'a"b@c.example',
        '"a@c.example',
        '"a" b"@c.example',
        "a\\@c.example",
    ],
)
def test_an_address_can_not_bring_parameters_along(address):
    with pytest.raises(UnsafeCommand):
        rcpt(address)


def test_an_empty_recipient_is_refused():
    with pytest.raises(UnsafeCommand):
        rcpt("")


def test_non_ascii_needs_smtputf8():
    with pytest.raises(UnsafeCommand):
        rcpt("пример@b.example")


@pytest.mark.parametrize(
    ("verb", "limit"),
    [
        (Verb.EHLO, 512),
        (Verb.RCPT, 512 + 36 + 500),
        (Verb.MAIL, 512 + 26 + 17 + 10 + 16 + 300),
        (Verb.AUTH, MAX_AUTH_LINE),
    ],
)
def test_a_line_is_as_long_as_its_verb_allows(verb, limit):
    argument = "x" * (limit - len(verb) - 1 - 2)

    assert len(command(verb, argument)) == limit
    with pytest.raises(UnsafeCommand):
        command(verb, argument + "x")


def test_a_refusal_does_not_repeat_what_it_refused():
    with pytest.raises(UnsafeCommand) as refused:
        command(Verb.AUTH, "PLAIN", "canary\r\n")

    assert "canary" not in str(refused.value)


@given(st.text(), st.booleans())
def test_any_text_is_one_line_or_refused(text, utf8):
    try:
        line = command(Verb.VRFY, text, utf8=utf8)
    except UnsafeCommand:
        return

    assert line.endswith(b"\r\n")
    assert line.count(b"\r") == line.count(b"\n") == 1
    assert line.decode() == f"VRFY {text}\r\n"


@given(st.text(alphabet='ab<>" \\@=.', max_size=20))
def test_a_path_ends_where_we_end_it(text):
    try:
        line = rcpt(text).decode()
    except UnsafeCommand:
        return
    quoted = False
    skip = False
    ends = []
    for place, character in enumerate(line[len("RCPT TO:<") :]):
        if skip:
            skip = False
        elif character == "\\" and quoted:
            skip = True
        elif character == '"':
            quoted = not quoted
        elif character == ">" and not quoted:
            ends.append(place)

    assert ends == [len(line) - len("RCPT TO:<") - len(">\r\n")]
