from __future__ import annotations

import pytest
from postroom.cli.app import app
from typer.testing import CliRunner

from tests.integration.client.answers import sent

LETTER = (
    b"From: Me <me@example.com>\r\n"
    b"To: Ada <ada@example.com>,\r\n bob@example.com\r\n"
    b"Cc: =?utf-8?q?Gr=C3=BCn=2C_Eve?= <eve@example.com>\r\n"
    b"Date: Sat, 01 Aug 2026 12:00:00 +0000\r\n"
    b"Message-ID: <1@example.com>\r\n"
    b"\r\n"
    b"Bcc: is no header here\r\n.\r\n\xff"
)
SECRET = b"Bcc: Eve <hidden@example.com>,\r\n\tother@example.com\r\n"


@pytest.fixture
def send(service, tmp_path):
    def run(letter, *arguments, stdin=False):
        path = tmp_path / "letter.eml"
        path.write_bytes(letter)
        name = "-" if stdin else str(path)
        command = ["--target", service.target, "send", "--eml", name, *arguments]
        service.script("SendMessage", sent())
        return CliRunner().invoke(app, command, input=letter if stdin else None)

    return run


@pytest.mark.parametrize("stdin", [False, True])
def test_a_composed_mail_is_sent_as_it_is(send, service, stdin):
    run = send(LETTER, stdin=stdin)
    (request,) = service.requests
    raw = request.raw_message

    assert run.exit_code == 0
    assert raw.data == LETTER
    assert raw.envelope_from == "me@example.com"
    assert raw.recipients == ["ada@example.com", "bob@example.com", "eve@example.com"]


@pytest.mark.parametrize(
    ("header", "envelope"),
    [
        (b"Sender: she@example.com\r\n", "she@example.com"),
        (b"Return-Path: <b@example.com>\r\nSender: a@example.com\r\n", "b@example.com"),
        (b"Return-Path: <>\r\n", "<>"),
    ],
)
def test_bounces_go_where_the_header_says(send, service, header, envelope):
    send(header + LETTER)

    assert service.requests[0].raw_message.envelope_from == envelope


def test_what_is_said_of_the_envelope_comes_first(send, service):
    send(
        LETTER,
        *("--to", "Ann <ann@example.com>", "--bcc", "b@example.com"),
        *("--envelope-from", "<>", "--relay", "main", "--wait", "accepted"),
        *("--on-uncertain", "hold", "--all-or-none", "--request-id", "mine"),
    )
    (request,) = service.requests

    assert request.raw_message.recipients == ["ann@example.com", "b@example.com"]
    assert request.raw_message.envelope_from == "<>"
    assert request.raw_message.data == LETTER
    assert (request.relay, request.request_id) == ("relays/main", "mine")
    assert request.all_recipients_or_none


def test_a_bcc_header_is_refused_with_its_remedy(send, service):
    run = send(SECRET + LETTER)

    assert run.exit_code == 2
    assert "--strip-bcc" in run.stderr
    assert service.requests == []


def test_a_bcc_header_is_taken_out_on_demand_and_its_people_get_the_mail(send, service):
    send(b"X-A: 1\r\n" + SECRET + LETTER, "--strip-bcc")
    raw = service.requests[0].raw_message

    assert raw.data == b"X-A: 1\r\n" + LETTER
    assert raw.recipients[-2:] == ["hidden@example.com", "other@example.com"]


def test_the_line_ends_of_unix_become_those_of_mail(send, service):
    run = send(LETTER.replace(b"\r\n", b"\n"))

    assert run.exit_code == 0
    assert service.requests[0].raw_message.data == LETTER


def test_a_large_composed_mail_goes_in_pieces(send, service):
    run = send(LETTER + b"\r\nx" * 700_000)
    (stream,) = service.requests

    assert run.exit_code == 0
    assert stream.header.raw_message.blob == "parts/0"
    assert stream.size == len(LETTER) + 2_100_000


@pytest.mark.parametrize(
    ("letter", "arguments", "said"),
    [
        (LETTER, ["--subject", "x"], "--subject"),
        (LETTER, ["--text", "x"], "--text"),
        (LETTER, ["--attach", __file__], "--attach"),
        (LETTER, ["--to", "a, b"], "a recipient is not one mailbox"),
        (b"To: ada@example.com\r\n\r\n", [], "names no sender"),
        (b"From: me@example.com\r\n\r\n", [], "names no recipient"),
        (b"From: me@example.com\r\nTo: <ada\r\n\r\n", [], "can't be read"),
        (b"From: \xff@example.com\r\n\r\n", [], "no UTF-8"),
        (b"x" * 3_000_000, [], "no mail"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_can_not_be_sent_so_is_wrong_usage(send, service, letter, arguments, said):
    run = send(letter, *arguments)

    assert run.exit_code == 2
    assert said in " ".join(run.stderr.replace("│", " ").split())
    assert service.requests == []


def test_a_group_of_nobody_names_nobody(send, service):
    send(b"Bcc: undisclosed-recipients:;\r\n" + LETTER, "--strip-bcc")

    assert len(service.requests[0].raw_message.recipients) == 3


def test_a_file_that_is_not_there_is_wrong_usage(service):
    command = ["--target", service.target, "send", "--eml", "/nonexistent/a.eml"]
    run = CliRunner().invoke(app, command)

    assert run.exit_code == 2
    assert "No such file" in run.stderr


def test_options_of_a_composed_mail_need_one(service):
    command = ["--target", service.target, "send", "--strip-bcc"]

    assert CliRunner().invoke(app, command).exit_code == 2
