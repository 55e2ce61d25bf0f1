"""A file that can't be read is told with the option that names it."""

from __future__ import annotations

import pytest
from postroom.cli.app import app
from typer.testing import CliRunner

MISSING = "/nonexistent/letter.txt"
MAIL = ("send", "--to", "ada@example.com", "--subject", "Hello")


@pytest.fixture
def run(service, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments):
        command = ["--target", service.target, *arguments]
        return CliRunner().invoke(app, command)

    return run


@pytest.mark.parametrize(
    ("option", "arguments"),
    [
        ("--text", (*MAIL, "--text", MISSING)),
        ("--html", (*MAIL, "--html", f"@{MISSING}")),
        ("--attach", (*MAIL, "--text", "x", "--attach", MISSING)),
        ("--inline", (*MAIL, "--text", "x", "--inline", f"logo={MISSING}")),
        ("--eml", ("send", "--eml", MISSING)),
        ("--batch", ("send", "--batch", MISSING)),
        ("--output", ("render", "deliveries/1", "--output", MISSING)),
        ("--ca-file", ("--ca-file", MISSING, "info")),
        ("--cert-file", ("--cert-file", MISSING, "--key-file", "/dev/null", "info")),
    ],
)
def test_a_file_that_is_not_there_is_told_with_its_option(run, option, arguments):
    ended = run(*arguments)

    assert ended.exit_code == 2
    assert option in ended.stderr
    assert MISSING in ended.stderr


def test_a_result_file_that_has_no_folder_is_told_with_its_option(run, tmp_path):
    rows = tmp_path / "people.csv"
    rows.write_text("to\nada@example.com\n")
    words = ("--from", "me@example.com", "--subject", "Hello", "--text", "x")
    ended = run("send", *words, "--batch", str(rows), "--result", MISSING)

    assert ended.exit_code == 2
    assert "--result" in ended.stderr
    assert MISSING in ended.stderr


def test_a_text_that_is_no_utf_8_is_told_with_its_option(run, tmp_path):
    letter = tmp_path / "letter.txt"
    letter.write_bytes(b"\xff")
    ended = run(*MAIL, "--text", str(letter))

    assert ended.exit_code == 2
    assert "--text" in ended.stderr
    assert f"{letter} is no UTF-8 text" in ended.stderr
