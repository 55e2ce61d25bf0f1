from __future__ import annotations

import json
import subprocess
import sys

import grpc
import pytest
from postroom.cli.app import app
from postroom.v1 import send_pb2
from typer.testing import CliRunner

from tests.integration.client.answers import NAME, refused, sent, taken
from tests.support.fake_service import Refusal

MAIL = ["--to", "ada@example.com", "--subject", "Hello", "--text", "It works."]


@pytest.fixture
def send(service):
    def run(*arguments, before=(), stdin=None):
        command = ["--target", service.target, *before, "send", *arguments]
        return CliRunner().invoke(app, command, input=stdin)

    return run


def test_a_delivered_mail_ends_well(send, service):
    service.script("SendMessage", sent(recipients=[taken("ada@example.com")]))
    run = send(*MAIL)

    assert run.exit_code == 0
    assert run.stdout.split() == [
        "SUCCESS",
        NAME,
        "<1@example.com>",
        "ada@example.com",
        "DELIVERED",
    ]
    assert service.requests[0].request_id


def test_a_refused_recipient_is_told_with_the_relays_words(send, service):
    people = [taken("ada@example.com"), refused("bob@example.com")]
    service.script("SendMessage", sent("PARTIAL", recipients=people))
    run = send(*MAIL)

    assert run.exit_code == 1
    assert "bob@example.com  REFUSED    550 5.1.1 no such user" in run.stdout


def test_words_of_a_relay_neither_style_nor_move_the_terminal(send, service):
    evil = refused("bob@example.com", "[red]no[/red] \x1b[2Jsuch :smile: user")
    service.script("SendMessage", sent("REJECTED", recipients=[evil]))

    assert "[red]no[/red] \ufffd[2Jsuch :smile: user" in send(*MAIL).stdout


@pytest.mark.parametrize("status", ["QUEUED", "SENDING", "RETRY"])
def test_a_mail_on_its_way_ends_well(send, service, status):
    service.script("SendMessage", sent(status))

    assert send(*MAIL, "--wait", "accepted").exit_code == 0
    assert service.requests[0].completion == send_pb2.COMPLETION_ACCEPTED


def test_a_mail_that_may_go_on_says_how(send, service):
    service.script("SendMessage", sent("TEMP_FAILED", is_retryable=True))
    run = send(*MAIL)

    assert run.exit_code == 1
    assert f"postroom retry {NAME}" in run.stdout


@pytest.mark.parametrize("where", ["before", "after"])
def test_json_is_the_whole_result(send, service, where):
    people = [refused("bob@example.com")]
    service.script("SendMessage", sent("REJECTED", recipients=people))
    flag = ["--json"]
    run = send(*MAIL, *flag) if where == "after" else send(*MAIL, before=flag)
    found = json.loads(run.stdout)

    assert run.exit_code == 1
    assert found["status"] == "REJECTED"
    assert found["recipient_failures"]["bob@example.com"]["code"] == 550


def test_every_option_has_its_place(send, service, tmp_path):
    service.script("SendMessage", sent())
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    (tmp_path / "b.html").write_text("<p>grün", "utf-8")
    run = send(
        *("--to", "Ada <ada@example.com>", "--to", "bob@example.com"),
        *("--cc", "cc@example.com", "--bcc", "bcc@example.com"),
        *("--from", "me@example.com", "--reply-to", "reply@example.com"),
        *("--subject", "Hello", "--text", "-", "--html", f"@{tmp_path}/b.html"),
        *("--attach", f"{tmp_path}/a.pdf", "--header", "X-A: b: c"),
        *("--relay", "main", "--request-id", "mine", "--no-retry"),
        stdin="from standard input",
    )
    (request,) = service.requests
    message = request.message

    assert run.exit_code == 0
    assert [m.name for m in message.to] == ["Ada", ""]
    assert message.cc[0].address == "cc@example.com"
    assert message.bcc[0].address == "bcc@example.com"
    assert message.from_mailbox.address == "me@example.com"
    assert message.reply_to[0].address == "reply@example.com"
    assert message.text_body == "from standard input"
    assert message.html_body == "<p>grün"
    assert message.attachments[0].content_type == "application/pdf"
    assert (message.headers[0].name, message.headers[0].value) == ("X-A", "b: c")
    assert (request.relay, request.request_id) == ("relays/main", "mine")
    assert request.retry.disabled


def test_two_at_signs_are_one(send, service):
    service.script("SendMessage", sent())
    send("--to", "ada@example.com", "--subject", "x", "--text", "@@home")

    assert service.requests[0].message.text_body == "@home"


def test_checking_sends_nothing(send, service):
    report = send_pb2.ValidationReport(
        size_bytes=420,
        relay="relays/main",
        envelope_from="me@example.com",
        recipients=[send_pb2.RecipientPlan(envelope_address="ada@example.com")],
        warnings=["no Reply-To"],
    )
    service.script("SendMessage", send_pb2.SendMessageResponse(validation=report))
    run = send(*MAIL, "--validate-only")

    assert run.exit_code == 0
    assert service.requests[0].validate_only
    assert "valid: 420 bytes from me@example.com by relays/main" in run.stdout
    assert "warning: no Reply-To" in run.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["--nonsense"],
        [*MAIL, "--wait", "forever"],
        [*MAIL, "--attach", "/nonexistent/file"],
        [*MAIL, "--header", "no colon"],
        ["--to", "a@example.com", "--text", "@/nonexistent/file"],
        ["--to", "a@example.com", "--text", "a-slip-in-its-name.txt"],
    ],
)
def test_wrong_usage_is_told_before_any_call(send, service, arguments):
    run = send(*arguments)

    assert run.exit_code == 2
    assert run.stderr
    assert service.requests == []


def test_a_file_that_is_no_text_is_wrong_usage(send, tmp_path):
    (tmp_path / "x").write_bytes(b"\xff")
    run = send("--to", "a@example.com", "--text", f"@{tmp_path}/x")

    assert run.exit_code == 2
    assert "no UTF-8 text" in run.stderr


@pytest.mark.parametrize(
    ("arguments", "stdin"),
    [
        ([*MAIL, "--subject", "\udcff"], None),
        ([*MAIL, "--to", "a\udcff@example.com"], None),
        (["--to", "a@example.com", "--subject", "Hello", "--text", "-"], b"\xff"),
    ],
    ids=["subject", "address", "standard input"],
)
def test_what_is_no_text_is_wrong_usage(send, service, arguments, stdin):
    run = send(*arguments, stdin=stdin)

    assert run.exit_code == 2
    assert "no UTF-8 text" in run.stderr
    assert service.requests == []


def test_json_moves_no_terminal_either(send, service):
    evil = "\x1b[2J\x9b2J\u202e\u2028\U000e0001 über"
    service.script("SendMessage", sent(recipients=[refused("b@example.com", evil)]))
    told = send(*MAIL, "--json").stdout

    assert all(line.isprintable() for line in told.split("\n"))
    assert "über" in told
    assert json.loads(told)["recipients"][0]["reply"]["text"] == evil


@pytest.mark.parametrize("style", [[], ["--json"]])
def test_an_error_moves_no_terminal_either(send, service, style):
    text = "no\x1b[2J\x9b2J way"
    service.script("SendMessage", Refusal(code=grpc.StatusCode.INTERNAL, text=text))
    run = send(*MAIL, *style)

    assert run.exit_code == 4
    assert all(line.isprintable() for line in run.stderr.split("\n"))


def test_an_invalid_mail_lists_its_problems(send, service):
    service.script(
        "SendMessage",
        Refusal(
            code=grpc.StatusCode.INVALID_ARGUMENT,
            reason="INVALID_MESSAGE",
            violations=(("message.subject", "is empty"), ("message.to", "is empty")),
        ),
    )
    run = send(*MAIL)

    assert run.exit_code == 3
    assert run.stdout == ""
    assert run.stderr.splitlines() == [
        "postroom: message.subject: is empty",
        "postroom: message.to: is empty",
    ]


def test_what_the_client_finds_wrong_is_an_invalid_mail_too(send):
    run = send("--to", "a@example.com, b@example.com", "--json")
    error = json.loads(run.stderr)["error"]

    assert run.exit_code == 3
    assert error["violations"][0]["field"] == "message.to[0].address"
    assert error["nothing_sent"]


def test_an_error_of_the_service_has_an_exit_code_of_its_own(send, service):
    service.script(
        "SendMessage",
        Refusal(
            code=grpc.StatusCode.FAILED_PRECONDITION,
            text="there is no default relay",
            reason="NO_DEFAULT_RELAY",
        ),
    )
    run = send(*MAIL, "--json")
    error = json.loads(run.stderr)["error"]

    assert run.exit_code == 4
    assert (error["code"], error["reason"]) == (
        "FAILED_PRECONDITION",
        "NO_DEFAULT_RELAY",
    )


def test_the_command_runs_as_a_program(service):
    service.script("SendMessage", sent(recipients=[taken("ada@example.com")]))
    command = [sys.executable, "-m", "postroom.cli", "--target", service.target]
    run = subprocess.run(
        [*command, "send", *MAIL[:-1], "-", "--json"],
        input="from a pipe",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (run.returncode, run.stderr) == (0, "")
    assert json.loads(run.stdout)["status"] == "SUCCESS"
    assert service.requests[0].message.text_body == "from a pipe"


def test_without_its_extra_the_command_says_how_to_get_it():
    hide = "import sys; sys.modules['typer'] = None; import postroom.cli as c; c.main()"
    run = subprocess.run(
        [sys.executable, "-c", hide],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert run.returncode == 2
    assert run.stderr.count("\n") == 1
    assert "postroom[cli]" in run.stderr
