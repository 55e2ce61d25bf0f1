"""Real commands and files that give tokens, or don't."""

from __future__ import annotations

import os
import sys
import threading

import pytest
from postroom_server.domain.attempt import FailureReason
from postroom_server.smtp.token_sources import TokenCommand, TokenFile
from postroom_server.smtp.tokens import NoToken, TokenTimeout

PATIENCE = 30.0


def python(code: str, timeout: float = PATIENCE, **environ: str) -> TokenCommand:
    return TokenCommand([sys.executable, "-c", code], timeout, environ)


def test_the_first_line_of_a_command_is_the_token():
    assert python("print('tok\\nmore')").read() == "tok"


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("import sys; print('canary'); sys.exit(3)", "failed: exit status 3"),
        ("import os; os.abort()", "failed: signal 6"),
        ("print('canary' * 20_000)", "wrote more than a token"),
        (
            "import sys; sys.stdout.buffer.write(b'canary\\xff')",
            "gave no token",
        ),
    ],
)
def test_a_command_that_gives_no_token_is_told_without_its_words(code, problem):
    with pytest.raises(NoToken, match=problem) as failed:
        python(code).read()

    assert "canary" not in str(failed.value)


def test_a_command_that_prints_nothing_gives_nothing():
    assert python("").read() == ""


def test_a_command_that_writes_for_ever_is_ended():
    with pytest.raises(NoToken, match="more than a token"):
        python("while True: print('x' * 1000)").read()


def test_a_program_that_is_not_there_is_told():
    with pytest.raises(NoToken, match="did not start: No such file"):
        TokenCommand(["/no/such/program"], PATIENCE).read()


@pytest.mark.parametrize(
    "code",
    [
        "import time; time.sleep(60)",
        "import os, time; os.close(1); time.sleep(60)",
        # Its child holds the output open.
        "import subprocess, sys; subprocess.Popen(['sleep', '60'])",
    ],
)
def test_a_command_that_hangs_is_ended_in_time(code):
    with pytest.raises(TokenTimeout, match="took longer") as failed:
        python(code, 0.5, PATH=os.environ["PATH"]).read()

    assert failed.value.reason is FailureReason.TIMEOUT


def test_what_a_command_started_ends_with_it(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    command = python(
        "import subprocess, sys, time;"
        "subprocess.Popen(['sh', '-c', 'exec sleep 60 >$1', '-', sys.argv[1]]);"
        "time.sleep(60)",
        0.5,
        PATH=os.environ["PATH"],
    )
    command._command += (str(pipe),)
    with pytest.raises(TokenTimeout):
        command.read()
    os.set_blocking(reader, True)
    # The end of the file comes when nobody holds it open for writing any more.
    ended = os.read(reader, 1)
    os.close(reader)

    assert ended == b""


@pytest.fixture
def typing():
    """Somebody types, where the service was started."""
    reader, writer = os.pipe()
    before = os.dup(0)
    os.dup2(reader, 0)
    os.write(writer, b"hello")
    os.close(writer)
    yield
    os.dup2(before, 0)
    os.close(before)
    os.close(reader)


@pytest.mark.usefixtures("typing")
def test_a_command_gets_few_variables_and_no_input(monkeypatch):
    monkeypatch.setenv("POSTROOM_RELAYS__MAIN__PASSWORD", "canary")
    monkeypatch.setenv("HOME", "here")
    code = (
        "import os, sys;"
        "print(len(sys.stdin.read()), 'HOME' in os.environ,"
        " any('POSTROOM' in k for k in os.environ))"
    )

    assert TokenCommand([sys.executable, "-c", code], PATIENCE).read() == "0 True False"


def test_a_command_is_not_given_to_a_shell(tmp_path):
    command = TokenCommand(["echo", f"$HOME;>{tmp_path}/made"], PATIENCE)

    assert command.read() == f"$HOME;>{tmp_path}/made"
    assert not list(tmp_path.iterdir())


def test_stopping_ends_a_command_and_runs_no_other(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    command = TokenCommand(["sh", "-c", f"echo >{pipe}; exec sleep 60"], PATIENCE)
    failures: list[NoToken] = []

    def read() -> None:
        try:
            command.read()
        except NoToken as failure:
            failures.append(failure)

    thread = threading.Thread(target=read)
    thread.start()
    pipe.read_text()
    command.stop()
    thread.join(PATIENCE)

    assert [str(failure) for failure in failures] == [
        "the token command failed: signal 9"
    ]
    with pytest.raises(NoToken, match="being stopped"):
        command.read()


@pytest.mark.parametrize(
    ("content", "token"),
    [(b"tok", "tok"), (b"tok\n", "tok"), (b"tok\r\nmore\n", "tok\r"), (b"", "")],
)
def test_the_first_line_of_a_file_is_the_token(tmp_path, content, token):
    (tmp_path / "token").write_bytes(content)

    assert TokenFile(str(tmp_path / "token")).read() == token


def test_a_file_that_is_replaced_is_read_anew(tmp_path):
    path = tmp_path / "token"
    source = TokenFile(str(path))
    path.write_text("one\n")
    before = source.read()
    (tmp_path / "new").write_text("two\n")
    (tmp_path / "new").replace(path)

    assert (before, source.read()) == ("one", "two")


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda path: None, "can't read .*No such file"),
        (os.mkdir, "is no regular file|Is a directory"),
        (os.mkfifo, "is no regular file"),
        (lambda path: path.write_bytes(b"x" * 70_000), "holds more than a token"),
        (lambda path: path.write_bytes(b"canary\xff"), "gave no token"),
    ],
)
def test_a_file_without_a_token_is_told(tmp_path, make, problem):
    path = tmp_path / "token"
    make(path)
    with pytest.raises(NoToken, match=problem) as failed:
        TokenFile(str(path)).read()

    assert "canary" not in str(failed.value)
