"""Postfix as a relay: its own queue, on ports of its own, for one test run.

It hands mail on to a next hop, notifications too.
"""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.process import PAUSE, free_port
from tests.support.tools import require_tool

_MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = relay.example
mydestination =
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
default_transport = smtp:[127.0.0.1]:{next_hop}
alias_maps =
local_recipient_maps =
notify_classes =
smtp_dns_support_level = disabled
smtp_discard_ehlo_keywords = dsn
smtputf8_enable = yes
"""
# With the next hop knowing nothing of DSN, who hands a mail over says so: "relayed".
_MASTER = """\
{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
scache unix - - n - 1 scache
"""


@contextmanager
def postfix(next_hop: int, *settings: str) -> Iterator[int]:
    """The port of a Postfix that hands mail on to the port *next_hop*.

    *settings* are lines of its main.cf.
    """
    require_tool("postfix")
    if os.geteuid() != 0:
        pytest.skip("Postfix starts for the superuser only")
    # Its processes run as another user, who can't look into pytest's own folders.
    with tempfile.TemporaryDirectory() as name:
        port, folder = free_port(), Path(name)
        config = _configured(folder, port, next_hop)
        with (config / "main.cf").open("a") as main:
            main.writelines(f"{line}\n" for line in settings)
        _run(config, "start")
        try:
            until_listening(port)
            yield port
        finally:
            _run(config, "stop")


def _configured(folder: Path, port: int, next_hop: int) -> Path:
    folder.chmod(0o755)
    config = folder / "conf"
    for part in (config, folder / "queue", folder / "data"):
        part.mkdir(mode=0o755)
    subprocess.run(["chown", "postfix", str(folder / "data")], check=True)
    main = _MAIN.format(folder=folder, next_hop=next_hop)
    (config / "main.cf").write_text(main)
    (config / "master.cf").write_text(_MASTER.format(port=port))
    return config


def _run(config: Path, command: str) -> None:
    done = subprocess.run(
        ["postfix", "-c", str(config), command],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def until_listening(port: int) -> None:
    """Wait for a program to listen."""
    for _ in range(400):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        PAUSE.wait(0.05)
    raise AssertionError("nobody listens")
