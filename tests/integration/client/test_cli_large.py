"""Uploads, renderings, and options of `postroom send` that came with them."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import grpc
import pytest
from postroom.cli.app import app
from postroom.v1 import content_pb2, send_pb2, send_stream_pb2
from typer.testing import CliRunner

from tests.integration.client.answers import result, sent
from tests.support.fake_service import Refusal

MAIL = ["--to", "ada@example.com", "--subject", "Hello"]
LARGE = bytes(3_000_000)


@pytest.fixture
def run(service):
    def run(*arguments, stdin=None, **environment):
        command = ["--target", service.target, *map(str, arguments)]
        return CliRunner().invoke(app, command, input=stdin, env=environment)

    return run


def kept(content):
    digest = sha256(content).digest()
    blob = content_pb2.Blob(
        name=f"blobs/{digest.hex()}", size_bytes=len(content), sha256=digest
    )
    return content_pb2.UploadBlobResponse(blob=blob)


def rendered(content):
    frame = content_pb2.RenderMessageResponse
    end = send_stream_pb2.ContentEnd(
        size_bytes=len(content), sha256=sha256(content).digest()
    )
    header = content_pb2.RenderMessageHeader()
    return [frame(header=header), frame(chunk=content), frame(end=end)]


def test_a_file_is_uploaded_and_its_name_told(run, service, tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(LARGE)
    service.script("UploadBlob", kept(LARGE))
    ended = run("upload", path)

    assert ended.exit_code == 0
    assert ended.stdout.split()[0] == f"blobs/{sha256(LARGE).hexdigest()}"
    assert service.requests[0].size == len(LARGE)
    assert ended.stderr == ""


def test_a_mail_is_rendered_byte_by_byte(run, service, tmp_path):
    mail = b"From: me\r\n\r\n\xff\x1b[2J\r\n"
    service.script("RenderMessage", rendered(mail), rendered(mail))
    ended = run("render", "0198")
    run("render", "0198", "--output", tmp_path / "a.eml")

    assert ended.exit_code == 0
    assert ended.stdout_bytes == mail
    assert (tmp_path / "a.eml").read_bytes() == mail
    assert service.requests[0].delivery == "deliveries/0198"


def test_a_file_that_can_not_be_written_is_wrong_usage(run, service):
    ended = run("render", "0198", "--output", "/nonexistent/a.eml")

    assert ended.exit_code == 2
    assert service.requests == []


def test_a_purged_mail_has_an_exit_code(run, service):
    refusal = Refusal(code=grpc.StatusCode.FAILED_PRECONDITION, reason="CONTENT_PURGED")
    service.script("RenderMessage", [refusal])

    assert run("render", "0198").exit_code == 4


def test_a_file_that_vanishes_between_attempts_is_told_as_such(run, service, tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(LARGE)

    def vanish(request):
        path.unlink()
        return Refusal(code=grpc.StatusCode.UNAVAILABLE, reason="OVERLOADED")

    service.script("SendMessageStream", vanish)
    ended = run("send", *MAIL, "--text", "x", "--attach", path)

    assert ended.exit_code == 2
    assert "No such file" in ended.stderr


def test_a_large_attachment_needs_no_option(run, service, tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(LARGE)
    answer = send_stream_pb2.SendMessageStreamResponse(result=result())
    service.script("SendMessageStream", answer)
    ended = run("send", *MAIL, "--text", "x", "--attach", path)

    assert ended.exit_code == 0
    assert service.requests[0].size == len(LARGE)
    assert ended.stderr == ""


@pytest.mark.parametrize("at", ["", "@"])
def test_bodies_come_from_files(run, service, tmp_path, at):
    (tmp_path / "a.txt").write_text("grün", "utf-8")
    (tmp_path / "a.html").write_text("<p>grün", "utf-8")
    text, html = f"{at}{tmp_path}/a.txt", f"{at}{tmp_path}/a.html"
    run("send", *MAIL, "--text", text, "--html", html)
    message = service.requests[0].message

    assert (message.text_body, message.html_body) == ("grün", "<p>grün")


def test_text_is_not_taken_for_a_file(run, service, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("See there", "<p>"):
        (tmp_path / name).write_text("secret")
    run("send", *MAIL, "--text", "See there", "--html", "<p>")
    message = service.requests[0].message

    assert (message.text_body, message.html_body) == ("See there", "<p>")


def test_an_image_is_shown_by_its_content_id(run, service, tmp_path):
    (tmp_path / "logo.png").write_bytes(b"\x89PNG")
    run("send", *MAIL, "--html", "<img>", "--inline", f"logo={tmp_path}/logo.png")
    (image,) = service.requests[0].message.attachments

    assert (image.content_id, image.content_type) == ("logo", "image/png")
    assert image.data == b"\x89PNG"


def test_the_rest_of_the_options_have_their_places(run, service):
    service.script("SendMessage", sent())
    run(
        *("send", *MAIL, "--text", "x", "--sender", "s@example.com"),
        *("--message-id", "<1@example.com>", "--envelope-from", "<>"),
        *("--on-uncertain", "hold", "--all-or-none", "--expire", "2h"),
        *("--max-attempts", "3"),
    )
    (request,) = service.requests
    ahead = request.expire_at.ToDatetime(UTC) - datetime.now(UTC)

    assert request.message.sender.address == "s@example.com"
    assert request.message.message_id == "<1@example.com>"
    assert request.message.envelope_from == "<>"
    assert request.on_uncertain == send_pb2.ON_UNCERTAIN_HOLD
    assert request.all_recipients_or_none
    assert timedelta(hours=1) < ahead <= timedelta(hours=2)
    assert request.retry.max_attempts == 3


def test_mail_for_later_is_not_waited_for(run, service):
    run("send", *MAIL, "--text", "x", "--in", "2h", "--priority", "bulk")
    (request,) = service.requests
    ahead = request.send_at.ToDatetime(UTC) - datetime.now(UTC)

    assert timedelta(hours=1) < ahead <= timedelta(hours=2)
    assert request.completion == send_pb2.COMPLETION_ACCEPTED
    assert request.priority == send_pb2.PRIORITY_BULK


def test_mail_for_later_has_a_local_time(run, service):
    in_two_days = datetime.now().astimezone() + timedelta(days=2)
    # With the offset of that noon, which may be another than that of now.
    noon = datetime(*in_two_days.timetuple()[:3], 12).astimezone()
    run("send", *MAIL, "--text", "x", "--at", f"{noon:%Y-%m-%dT%H:%M}")
    (request,) = service.requests

    assert request.send_at.ToDatetime(UTC) == noon
    assert request.priority == send_pb2.PRIORITY_UNSPECIFIED


def test_an_expiry_is_a_local_time_too(run, service):
    run("send", *MAIL, "--text", "x", "--expire", "2026-08-01T12:00")
    told = service.requests[0].expire_at.ToDatetime(UTC)

    assert told == datetime(2026, 8, 1, 12).astimezone()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--expire", "soon"],
        ["--expire", "1w"],
        ["--at", "soon"],
        ["--in", "2027-01-01"],
        ["--at", "2027-01-01", "--in", "2h"],
        ["--inline", "logo"],
        ["--inline", "=x"],
        ["--inline", "logo=/nonexistent"],
        ["--batch-id", "x"],
        ["--strip-bcc"],
    ],
)
def test_options_that_make_no_sense_are_wrong_usage(run, service, arguments):
    ended = run("send", *MAIL, "--text", "x", *arguments)

    assert ended.exit_code == 2
    assert service.requests == []


@pytest.fixture(params=["UTC", "Asia/Tokyo", "America/New_York"])
def zone(request, monkeypatch):
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("zone")
@pytest.mark.parametrize("since", ["0001-01-01", "9999-12-31T23:59:59"])
def test_the_ends_of_the_calendar_are_times(run, service, since):
    ended = run("list", "--since", since)

    assert (ended.exit_code, ended.stderr) == (0, "")
    assert str(service.requests[0].filter.accepted_from.ToDatetime().year) in since


def test_a_socket_of_too_long_a_path_is_told_as_such(run):
    path = "unix:/tmp/" + "x" * 120
    ended = CliRunner().invoke(app, ["--target", path, "health"])

    assert ended.exit_code == 2
    assert "at most 107" in " ".join(ended.stderr.replace("│", " ").split())


def by_itself(*arguments, **environment):
    """What the command writes, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", "from postroom.cli import main; main()", *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("postroom ", {"send", "get", "list", "upload", "render", "health"}),
        ("postroom send --str", {"--strip-bcc"}),
        ("postroom send --wait re", {"relayed", "relayed-or-queued"}),
    ],
)
def test_what_was_begun_is_completed(typed, offered):
    words = typed.split(" ")
    shown = by_itself(
        _POSTROOM_COMPLETE="complete_bash",
        COMP_WORDS=typed,
        COMP_CWORD=str(len(words) - 1),
    )

    assert offered <= set(shown.split())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_shown_and_installed_at_home(tmp_path, shell):
    told = {"HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    shown = by_itself("--show-completion", shell, **told)
    by_itself("--install-completion", shell, **told)
    installed = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]

    assert f"_POSTROOM_COMPLETE=complete_{shell}" in shown
    assert any(f"_POSTROOM_COMPLETE=complete_{shell}" in text for text in installed)


def on_a_terminal(command, **environment):
    """What *command* writes to a terminal."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    base = {name: os.environ[name] for name in os.environ if name != "NO_COLOR"}
    child = subprocess.Popen(
        command, stdout=its, stderr=its, env=base | {"TERM": "xterm"} | environment
    )
    os.close(its)
    written = b""
    # A terminal whose other end is closed gives an error in place of an end.
    with suppress(OSError):
        while more := os.read(ours, 65_536):
            written += more
    os.close(ours)
    assert child.wait(30) == 0
    return written.decode()


def test_a_bar_is_shown_on_a_terminal_while_a_mail_goes(service, tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(LARGE * 5)
    answer = send_stream_pb2.SendMessageStreamResponse(result=result())
    service.script("SendMessageStream", answer)
    command = [sys.executable, "-m", "postroom.cli", "--target", service.target]
    shown = on_a_terminal([*command, "send", *MAIL, "--text", "x", "--attach", path])

    assert "Uploading" in shown
    assert "SUCCESS" in shown


def test_a_bar_is_shown_on_a_terminal_while_a_batch_goes(service, tmp_path):
    people = tmp_path / "people.csv"
    people.write_text("to\n" + "".join(f"{one}@example.com\n" for one in range(40)))
    service.script("SendMessage", *[sent()] * 40)
    command = [sys.executable, "-m", "postroom.cli", "--target", service.target]
    command += ["send", "--batch", people, "--subject", "x", "--text", "y"]
    shown = on_a_terminal(command)

    assert "Sending" in shown
    assert "40 SUCCESS" in shown


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_colours_are_for_terminals_whose_owner_wants_them(service, no_color, coloured):
    service.script("SendMessage", sent())
    command = [sys.executable, "-m", "postroom.cli", "--target", service.target]
    command += ["send", *MAIL, "--text", "x"]
    shown = on_a_terminal(command, NO_COLOR=no_color)

    assert ("\x1b[32mSUCCESS" in shown) is coloured
    assert "SUCCESS" in shown
