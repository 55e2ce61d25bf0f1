"""Postroom as a contender in a benchmark of ways to send mail.

Starts a `postroomd` of its own whose one relay is HOST:PORT, keeps CONC callers busy
for `--warm` and then `--secs` seconds, and prints one line of JSON: mails within the
window whose final reply came (`n`), `rate` a second, `p50` and `p99` of a call and the
median of each caller's `first`, in ms, seconds of the service's processor time within
the window (`cpu`), its peak resident size in MiB (`rss`), `errors`.

Each call composes its mail anew, is durable before it is answered, and waits for the
relay's verdict; with `--completion accepted` for the store alone.

    python benchmarks/contender.py --port 2525 --data FOLDER --conc 8

FOLDER has text.txt and body.html, and att.bin for `--kind att1m`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import psutil
from postroom.v1 import delivery_pb2, message_pb2, send_pb2
from postroom.v1.delivery_service_pb2_grpc import DeliveryServiceStub

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tests.support.process import daemon, free_port

DEADLINE = 60.0
CONFIG = """
[store]
url = "sqlite:///{folder}/postroom.db"
[relays.main]
host = "{host}"
port = {port}
encryption = "{encryption}"
tls_verify = false
pool_size = {pool}
{login}
[log]
level = "error"
"""
LOGIN = 'username = "user"\npassword = "pass"'
FINE = {
    delivery_pb2.DELIVERY_STATUS_SUCCESS,
    delivery_pb2.DELIVERY_STATUS_QUEUED,
    delivery_pb2.DELIVERY_STATUS_SENDING,
}
COMPLETIONS = {
    "relayed": send_pb2.COMPLETION_RELAYED,
    "accepted": send_pb2.COMPLETION_ACCEPTED,
}


@dataclass
class Window:
    """What was seen between *begin* and *end*."""

    begin: float
    end: float
    took: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    cpu: float = 0.0

    def add(self, began: float, done: float) -> None:
        """A mail that was answered."""
        if self.begin <= done < self.end:
            self.took.append(done - began)


def request(asked: argparse.Namespace) -> send_pb2.SendMessageRequest:
    """What every call sends."""
    folder = Path(asked.data)
    message = message_pb2.Message(
        from_mailbox=message_pb2.Mailbox(address="sender@example.com"),
        to=[message_pb2.Mailbox(address="rcpt@example.net")],
        subject="Your order has shipped \N{EN DASH} tracking inside",
        text_body=(folder / "text.txt").read_text(encoding="utf-8"),
        html_body=(folder / "body.html").read_text(encoding="utf-8"),
    )
    if asked.kind == "att1m":
        message.attachments.append(
            message_pb2.Attachment(
                filename="invoice.pdf",
                content_type="application/pdf",
                data=(folder / "att.bin").read_bytes(),
            )
        )
    return send_pb2.SendMessageRequest(
        message=message, completion=COMPLETIONS[asked.completion]
    )


def unary(
    stub: DeliveryServiceStub, mail: send_pb2.SendMessageRequest, window: Window
) -> None:
    """One caller, until the window closes."""
    is_first = True
    while (began := time.perf_counter()) < window.end:
        result = stub.SendMessage(mail, timeout=DEADLINE).result
        done = time.perf_counter()
        if result.status not in FINE:
            raise RuntimeError(result.detail or str(result.smtp_error))
        window.add(began, done)
        if is_first:
            window.first.append(done - began)
            is_first = False


def loaded(asked: argparse.Namespace, target: str, process: psutil.Process) -> Window:
    """Keep the service busy."""
    now = time.perf_counter()
    window = Window(now + asked.warm, now + asked.warm + asked.secs)
    mail = request(asked)
    with grpc.insecure_channel(target) as channel:
        stub = DeliveryServiceStub(channel)

        def caller() -> None:
            try:
                unary(stub, mail, window)
            except (grpc.RpcError, RuntimeError) as error:
                window.errors.append(repr(error))

        threads = [threading.Thread(target=caller) for _ in range(asked.conc)]
        for thread in threads:
            thread.start()
        time.sleep(max(0.0, window.begin - time.perf_counter()))
        before = spent(process)
        time.sleep(max(0.0, window.end - time.perf_counter()))
        window.cpu = spent(process) - before
        for thread in threads:
            thread.join()
    return window


def spent(process: psutil.Process) -> float:
    """Seconds of processor time, user and system."""
    times = process.cpu_times()
    return times.user + times.system


def peak(process: psutil.Process) -> float:
    """MiB that were resident at most."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def report(window: Window, secs: float, rss: float) -> None:
    """Print the line."""
    took = sorted(window.took)

    def quantile(part: float) -> float | None:
        if not took:
            return None
        return round(took[min(len(took) - 1, int(part * len(took)))] * 1e3, 3)

    first = round(statistics.median(window.first) * 1e3, 3) if window.first else None
    line = {
        "n": len(took),
        "secs": secs,
        "rate": round(len(took) / secs, 1),
        "p50": quantile(0.5),
        "p99": quantile(0.99),
        "first": first,
        "cpu": round(window.cpu, 3),
        "rss": round(rss, 1),
        "errors": len(window.errors),
        "error": window.errors[0] if window.errors else None,
    }
    print(json.dumps(line))


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--conc", type=int, default=1)
    parser.add_argument("--secs", type=float, default=2.0)
    parser.add_argument("--warm", type=float, default=1.0)
    parser.add_argument("--kind", choices=["text10k", "att1m"], default="text10k")
    parser.add_argument("--data", required=True)
    parser.add_argument("--tls", action="store_true", help="STARTTLS and AUTH PLAIN")
    parser.add_argument("--completion", choices=COMPLETIONS, default="relayed")
    return parser.parse_args()


def main() -> None:
    """Run one cell."""
    asked = arguments()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "postroom.toml"
        config.write_text(
            CONFIG.format(
                folder=folder,
                host=asked.host,
                port=asked.port,
                encryption="tls" if asked.tls else "none",
                pool=max(2, asked.conc),
                login=LOGIN if asked.tls else "",
            ),
            encoding="utf-8",
        )
        with daemon(config, free_port()) as running:
            process = psutil.Process(running.process.pid)
            window = loaded(asked, running.target, process)
            report(window, asked.secs, peak(process))


if __name__ == "__main__":
    main()
