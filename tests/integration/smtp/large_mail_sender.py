"""A process that sends one large mail to a relay, and tells what that cost.

    python large_mail_sender.py PORT FILE KIND

KIND is "text", "file" or "raw": what FILE is; with "+" behind it FILE is read into
memory first.  Prints the size of the mail, how much the peak of the memory grew over
that, in bytes, and the seconds it took.
"""

from __future__ import annotations

import hashlib
import re
import sys
import time
from pathlib import Path

from postroom_server.domain.address import parse_address
from postroom_server.domain.message import RawMessage
from postroom_server.domain.octets import StoredOctets, StoredText, with_crlf
from postroom_server.mail.composer import compose
from postroom_server.smtp.session import open_session
from postroom_server.smtp.settings import Encryption, RelaySettings
from postroom_server.smtp.transaction import Transaction

from tests.support.builders import a_message, an_attachment
from tests.support.controls import Orders, a_mail
from tests.support.mails import IDENTITY


def peak() -> int:
    """In bytes.  (What `getrusage` tells begins with the parent's.)"""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (kilobytes,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
    return int(kilobytes) * 1024


def stored(path: Path) -> StoredOctets:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return StoredOctets(
        sha256, path.stat().st_size, lambda: path.open("rb", buffering=0)
    )


def message_of(path: Path, kind: str):
    at_hand = kind.endswith("+")
    octets = path.read_bytes() if at_hand else stored(path)
    match kind.rstrip("+"):
        case "text":
            if at_hand:
                return a_message(text=octets.decode())
            wire_size = sum(map(len, with_crlf(octets.blocks())))
            return a_message(text=StoredText(octets, wire_size))
        case "file":
            return a_message(attachments=(an_attachment(octets),))
        case _:
            author = parse_address("ann@example.com")
            return RawMessage(
                mime=octets,
                envelope=(author,),
                authors=(author,),
                subject="",
                message_id="<1@example.com>",
                header_size=0,
            )


def main(port: int, path: Path, kind: str) -> None:
    relay = RelaySettings(
        id="main", host="127.0.0.1", port=port, encryption=Encryption.NONE
    )
    session = open_session(relay)
    session.transact(a_mail(), Orders())
    before, began = peak(), time.monotonic()
    composed = compose(message_of(path, kind), IDENTITY)
    mail = Transaction(
        reverse_path="me@example.com",
        recipients=("ada@example.com",),
        chunks=composed.chunks,
        size=composed.size,
    )
    report = session.transact(mail, Orders())
    assert report.accepted, report
    took = time.monotonic() - began
    sys.stdout.write(f"{composed.size} {peak() - before} {took}\n")
    session.quit()


main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
