"""A mail of 100 MB in files costs the memory of a few blocks, all the way."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from postroom_server.domain.limits import MB

from tests.support.raw_mails import mime
from tests.support.sink_relay import sink_relay

ROOT = Path(__file__).parents[3]
CHILD = Path(__file__).with_name("large_mail_sender.py")
LINE = (
    b"Zw\xc3\xb6lf Boxk\xc3\xa4mpfer jagen Viktor quer \xc3\xbcber den Sylter Deich.\n"
)
RAW_LINE = b"x" * 76 + b"\r\n"
CONTENTS = {
    "text": lambda: LINE * (100 * MB // len(LINE)),
    "file": lambda: os.urandom(MB) * 100,
    "raw": lambda: mime(body=RAW_LINE * (100 * MB // len(RAW_LINE))),
}


@pytest.mark.parametrize("kind", CONTENTS)
def test_sending_what_is_in_a_file_takes_little_memory(tmp_path, kind):
    path = tmp_path / "content"
    path.write_bytes(CONTENTS[kind]())
    with sink_relay() as relay:
        child = subprocess.run(
            [sys.executable, CHILD, str(relay.port), path, kind],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            timeout=120,
            check=False,
        )
        assert child.returncode == 0, child.stderr.decode()
        relay.mail()
        size, _ = relay.mail()
    told, grown, _ = child.stdout.split()

    assert int(told) == size >= 100 * MB - 100
    assert int(grown) < 8 * MB
