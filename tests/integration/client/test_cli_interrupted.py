"""Ctrl-C, in processes of its own: here it would end the tests."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.support.fake_service import serving

PATIENCE = 60.0
MAIL = ["--to", "ada@example.com", "--subject", "Hello", "--text", "It works."]


@pytest.mark.parametrize("given", ["", "order-17"])
def test_who_breaks_off_a_mail_is_told_how_to_learn_its_fate(given):
    options = ["--request-id", given] if given else []
    with serving() as service:
        service.script("SendMessage", service.hang)
        command = ["-m", "postroom.cli", "--target", service.target, "send", *MAIL]
        process = subprocess.Popen(
            [sys.executable, *command, *options], stderr=subprocess.PIPE, text=True
        )
        with process:
            assert service.asked.wait(PATIENCE)
            process.send_signal(signal.SIGINT)
            _, told = process.communicate(timeout=PATIENCE)
        service.stopping.set()

    (request,) = service.requests
    assert request.request_id == (given or request.request_id) != ""
    assert process.returncode == 130
    assert told.count("\n") == 1
    assert f"postroom get --request-id {request.request_id}" in told


def test_who_breaks_off_a_batch_is_told_that_it_goes_on(tmp_path):
    rows = tmp_path / "rows.csv"
    rows.write_text("to\nada@example.com\nbob@example.com\n", encoding="utf-8")
    mail = ["--subject", "Hello", "--text", "It works.", "--batch", str(rows)]
    with serving() as service:
        service.script("SendMessage", service.hang)
        command = ["-m", "postroom.cli", "--target", service.target, "send", *mail]
        process = subprocess.Popen(
            [sys.executable, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            assert service.asked.wait(PATIENCE)
            process.send_signal(signal.SIGINT)
            counts, told = process.communicate(timeout=PATIENCE)
        service.stopping.set()

    assert process.returncode == 130
    assert told.startswith("postroom: broken off: run it again to go on")
    assert told.count("\n") == 1
    assert "rows.result.csv" in counts


_WHILE_LOADING = """
class Interrupting:
    def __getattr__(self, _name):
        raise KeyboardInterrupt
loaded = Interrupting()
"""
_WHILE_MADE = """
def app(**_options):
    raise KeyboardInterrupt
loaded = types.SimpleNamespace(app=app)
"""


@pytest.mark.parametrize("when", [_WHILE_LOADING, _WHILE_MADE], ids=["load", "make"])
def test_ctrl_c_before_the_command_runs_ends_it_without_a_traceback(when):
    planted = "sys.modules['postroom.cli.app'] = loaded"
    lines = ["import sys, types", when, planted, "import postroom.cli as c", "c.main()"]
    ended = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert (ended.returncode, ended.stderr) == (130, "")
