"""Postfix's own test server as a relay: another implementation's idea of SMTP."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest
from postroom.v1 import delivery_pb2 as delivery_pb
from postroom.v1 import message_pb2 as message_pb
from postroom.v1 import send_pb2 as send_pb
from postroom_server.sandbox.relay import SandboxRelay

from tests.support.process import PAUSE, free_port
from tests.support.service import plain, running
from tests.support.tools import require_tool

pytestmark = pytest.mark.interop

ONCE = send_pb.RetryPolicy(disabled=True)


@contextlib.contextmanager
def smtp_sink(folder, *options):
    """smtp-sink on a port of its own; each mail it takes is a file of *folder*."""
    require_tool("smtp-sink")
    port = free_port()
    command = ["smtp-sink", "-u", "nobody", "-d", f"{folder}/%M.", *options]
    folder.chmod(0o777)
    process = subprocess.Popen([*command, f"127.0.0.1:{port}", "100"])
    try:
        _until_listening(port)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _until_listening(port):
    for _ in range(200):
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", port)),
        ):
            return
        PAUSE.wait(0.05)
    raise AssertionError("smtp-sink does not listen")


@contextlib.contextmanager
def service_beside(tmp_path, *options):
    # The sink runs as nobody, who can't look into pytest's own folders.
    with (
        tempfile.TemporaryDirectory() as folder,
        smtp_sink(Path(folder), *options) as port,
        SandboxRelay() as unused,
        running(tmp_path, {"main": plain(port)}, unused) as service,
    ):
        yield service, Path(folder)


@pytest.mark.parametrize(
    "options",
    [(), ("-p",), ("-8",), ("-e",), ("-p", "-8")],
    ids=["all", "no-pipelining", "no-8bitmime", "no-esmtp", "neither"],
)
def test_mail_arrives_whatever_the_relay_offers(tmp_path, options):
    with service_beside(tmp_path, *options) as (service, mails):
        results = [
            service.send(message={"text_body": ".dot\r\n..two\r\nend"})
            for _ in range(3)
        ]

        files = [path.read_bytes() for path in mails.iterdir()]
    assert {r.status for r in results} == {delivery_pb.DELIVERY_STATUS_SUCCESS}
    assert len(files) == 3
    assert all(b"\n.dot" in data and b"\n..two" in data for data in files)


@pytest.mark.parametrize(
    ("options", "status"),
    [
        (("-r", "MAIL"), delivery_pb.DELIVERY_STATUS_TEMP_FAILED),
        (("-r", "RCPT"), delivery_pb.DELIVERY_STATUS_TEMP_FAILED),
        (("-r", "."), delivery_pb.DELIVERY_STATUS_TEMP_FAILED),
        (("-f", "RCPT"), delivery_pb.DELIVERY_STATUS_REJECTED),
        (("-f", "MAIL"), delivery_pb.DELIVERY_STATUS_REJECTED),
        (("-f", "."), delivery_pb.DELIVERY_STATUS_FAILED),
        (("-q", "MAIL"), delivery_pb.DELIVERY_STATUS_TEMP_FAILED),
        (("-q", "RCPT"), delivery_pb.DELIVERY_STATUS_TEMP_FAILED),
        (("-q", "DATA"), delivery_pb.DELIVERY_STATUS_TEMP_FAILED),
        (("-q", "."), delivery_pb.DELIVERY_STATUS_UNCERTAIN),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_each_way_to_fail_is_told_for_what_it_is(tmp_path, options, status):
    with service_beside(tmp_path, *options) as (service, _):
        result = service.send(
            retry=ONCE,
            on_uncertain=send_pb.ON_UNCERTAIN_HOLD,
            message={"cc": [message_pb.Mailbox(address="bob@example.com")]},
        )

    assert result.status == status
