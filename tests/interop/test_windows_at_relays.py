"""Many mails in few sessions, with relays that others wrote.

Each session carries several at once where the relay lets it, among them mails whose
recipient is refused: what arrives is what was accepted, once each.
"""

from __future__ import annotations

import contextlib
import email
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from postroom_server.sandbox.relay import SandboxRelay
from postroom_server.smtp.pool import SessionPool
from postroom_server.smtp.settings import Encryption, PoolSettings, RelaySettings

from tests.support.controls import Orders, a_mail
from tests.support.pools import wait_until
from tests.support.postfix import postfix, until_listening
from tests.support.process import free_port
from tests.support.scripted_relay import QUICK
from tests.support.tools import require_tool

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]

MAILS, THREADS = 80, 16
REFUSED = "nobody@example.com"
REFUSES = (
    "smtpd_recipient_restrictions = check_recipient_access "
    f"inline:{{ {{{REFUSED} = 550 5.1.1 nobody}} }}"
)


def send_all(port: int, *, refuses: bool) -> set[str]:
    """Send `MAILS` mails; the subjects of those that the relay took."""
    settings = RelaySettings(
        id="main",
        host="127.0.0.1",
        port=port,
        encryption=Encryption.NONE,
        in_flight=8,
        timeouts=QUICK.scaled(6),
        pool=PoolSettings(max_size=2, jitter=0.0),
    )
    pool = SessionPool.of(settings)

    def send(number: int) -> str:
        to = REFUSED if refuses and number % 5 == 0 else f"u{number}@example.com"
        subject = f"mail-{number}"
        content = b"Subject: %s\r\n\r\n.\r\n" % subject.encode() + b"x\r\n" * number
        with pool.session() as session:
            report = session.transact(a_mail(content, to=(to,)), Orders())
        assert report.failure is None, report.failure
        assert report.accepted == (to != REFUSED)
        return subject if report.accepted else ""

    with ThreadPoolExecutor(THREADS) as threads:
        sent = set(threads.map(send, range(MAILS)))
    stats = pool.stats()
    pool.close()
    assert stats.created <= 2, "a session was given up"
    return sent - {""}


def subjects(mails: list[bytes]) -> list[str]:
    return sorted(str(email.message_from_bytes(mail)["Subject"]) for mail in mails)


@pytest.mark.parametrize("discarded", ["", "chunking", "chunking, pipelining"])
def test_postfix_gets_every_mail_once(discarded):
    with (
        SandboxRelay() as next_hop,
        postfix(
            next_hop.port, REFUSES, f"smtpd_discard_ehlo_keywords = {discarded}"
        ) as port,
    ):
        sent = send_all(port, refuses=True)
        wait_until(lambda: len(next_hop.messages) >= len(sent))

        assert subjects([m.data for m in next_hop.messages]) == sorted(sent)


@contextlib.contextmanager
def smtp_sink(folder: Path) -> Iterator[int]:
    require_tool("smtp-sink")
    folder.chmod(0o777)
    port = free_port()
    command = ["smtp-sink", "-u", "nobody", "-d", f"{folder}/%M."]
    process = subprocess.Popen([*command, f"127.0.0.1:{port}", "100"])
    try:
        until_listening(port)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def test_smtp_sink_gets_every_mail_once():
    with tempfile.TemporaryDirectory() as name, smtp_sink(Path(name)) as port:
        sent = send_all(port, refuses=False)

        files = [path.read_bytes() for path in Path(name).iterdir()]
    # It writes headers of its own before the mail's.
    found = [f.split(b"Subject: ")[1].split()[0].decode() for f in files]
    assert sorted(found) == sorted(sent)


class Keeps:
    def __init__(self) -> None:
        self.mails: list[bytes] = []

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802  its name
        if address == REFUSED:
            return "550 5.1.1 nobody"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802  its name
        self.mails.append(envelope.content)
        return "250 2.0.0 kept"


def test_aiosmtpd_which_has_no_pipelining_gets_every_mail_once():
    keeps = Keeps()
    controller = Controller(keeps, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        sent = send_all(controller.port, refuses=True)
    finally:
        controller.stop(no_assert=True)

    assert subjects(keeps.mails) == sorted(sent)


def test_the_sandbox_gets_every_mail_once():
    with SandboxRelay() as relay:
        sent = send_all(relay.port, refuses=False)

        assert subjects([m.data for m in relay.messages]) == sorted(sent)
