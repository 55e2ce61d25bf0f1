"""Our way from a mail to its relay as a library: composing and SMTP, nothing else.

No gRPC and no outbox: what libraries do that send mail from a process.  Prints one line
of JSON as `contender` does.  Each mail is checked and composed anew.

    python benchmarks/library.py --port 2525 --data FOLDER --conc 8 [--in-flight 8]

`--conc` is how many connections there are; with `--in-flight` each has as many callers.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from postroom_server.domain.clock import SystemClock
from postroom_server.domain.draft import AttachmentDraft, MailboxDraft, MessageDraft
from postroom_server.domain.limits import Limits
from postroom_server.domain.secret import Secret
from postroom_server.domain.validation import SenderDefaults, check_message
from postroom_server.mail.composer import compose
from postroom_server.mail.identity import new_identity
from postroom_server.smtp.pool import SessionPool
from postroom_server.smtp.settings import Encryption, PoolSettings, RelaySettings
from postroom_server.smtp.timeouts import NO_DEADLINE, Deadline
from postroom_server.smtp.transaction import Transaction

FROM, TO = "sender@example.com", "rcpt@example.net"


class Orders:
    """Nobody calls anything off."""

    deadline: Deadline = NO_DEADLINE

    def pass_end_of_data(self) -> bool:
        """Always."""
        return True

    def on_abort(self, callback: Callable[[], None]) -> None:
        """Never called."""


@dataclass
class Window:
    """What was seen between *begin* and *end*."""

    begin: float
    end: float
    took: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def draft(asked: argparse.Namespace) -> MessageDraft:
    """The mail that is sent again and again."""
    folder = Path(asked.data)
    files: tuple[AttachmentDraft, ...] = ()
    if asked.kind == "att1m":
        octets = (folder / "att.bin").read_bytes()
        files = (
            AttachmentDraft(
                filename="invoice.pdf", content_type="application/pdf", data=octets
            ),
        )
    return MessageDraft(
        from_mailbox=MailboxDraft(FROM),
        to=(MailboxDraft(TO),),
        subject="Your order has shipped \N{EN DASH} tracking inside",
        text=(folder / "text.txt").read_text(encoding="utf-8"),
        html=(folder / "body.html").read_text(encoding="utf-8"),
        attachments=files,
    )


def offered(asked: MessageDraft) -> Transaction:
    """A mail as it goes to the relay, from the words of its caller on."""
    message = check_message(asked, SenderDefaults(), Limits()).message
    composed = compose(message, new_identity(message, SystemClock().now()))
    return Transaction(
        reverse_path=FROM, recipients=(TO,), chunks=composed.chunks, size=composed.size
    )


def pool_of(asked: argparse.Namespace) -> SessionPool:
    """Sessions with the sink, as many as there are callers."""
    login = {"username": "user", "password": Secret("pass")} if asked.tls else {}
    return SessionPool.of(
        RelaySettings(
            id="main",
            host=asked.host,
            port=asked.port,
            encryption=Encryption.TLS if asked.tls else Encryption.NONE,
            tls_verify=False,
            in_flight=asked.in_flight,
            pool=PoolSettings(max_size=asked.conc, max_messages=1_000_000),
            **login,
        )
    )


def send_on(pool: SessionPool, mail: MessageDraft, window: Window) -> None:
    """One caller, until the window closes."""
    is_first, orders = True, Orders()
    while (began := time.perf_counter()) < window.end:
        transaction = offered(mail)
        with pool.session() as session:
            report = session.transact(transaction, orders)
        done = time.perf_counter()
        if not report.accepted:
            window.errors.append(str(report.final or report.failure))
            return
        if window.begin <= done < window.end:
            window.took.append(done - began)
        if is_first:
            window.first.append(done - began)
            is_first = False


def measured(asked: argparse.Namespace) -> dict[str, Any]:
    """Keep the sink busy for the time that is *asked*."""
    pool, mail = pool_of(asked), draft(asked)
    now = time.perf_counter()
    window = Window(now + asked.warm, now + asked.warm + asked.secs)
    callers = [
        threading.Thread(target=send_on, args=(pool, mail, window))
        for _ in range(asked.conc * asked.in_flight)
    ]
    for caller in callers:
        caller.start()
    time.sleep(max(0.0, window.begin - time.perf_counter()))
    before = spent()
    time.sleep(max(0.0, window.end - time.perf_counter()))
    cpu = spent() - before
    for caller in callers:
        caller.join()
    pool.close()
    return told(window, asked.secs, cpu)


def told(window: Window, seconds: float, cpu: float) -> dict[str, Any]:
    """What is printed; times in ms."""
    took = sorted(window.took) or [0.0]
    return {
        "n": len(window.took),
        "secs": seconds,
        "rate": len(window.took) / seconds,
        "p50": statistics.median(took) * 1e3,
        "p99": took[int(len(took) * 0.99)] * 1e3,
        "first": statistics.median(window.first or [0.0]) * 1e3,
        "cpu": cpu,
        "errors": len(window.errors),
        "error": next(iter(window.errors), ""),
    }


def spent() -> float:
    """Processor time of this process, in seconds."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--conc", type=int, default=1)
    parser.add_argument("--secs", type=float, default=2.0)
    parser.add_argument("--warm", type=float, default=0.4)
    parser.add_argument("--kind", choices=["text10k", "att1m"], default="text10k")
    parser.add_argument("--data", required=True)
    parser.add_argument("--in-flight", type=int, default=1)
    parser.add_argument("--tls", action="store_true")
    print(json.dumps(measured(parser.parse_args())), flush=True)


if __name__ == "__main__":
    main()
