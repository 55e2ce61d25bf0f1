"""Postroom as a contender in a benchmark of ways to send mail.

Starts a `postroomd` of its own whose one relay is HOST:PORT, keeps CONC callers busy
for `--warm` and then `--secs` seconds, and prints one line of JSON: mails within the
window whose final reply came (`n`), `rate` a second, `p50` and `p99` of a call and the
median of each caller's `first`, in ms, seconds of the service's processor time within
the window (`cpu`), its peak resident size in MiB (`rss`), `errors`.

Each mail is composed anew, is durable before it is answered, and waits for the relay's
verdict; with `--completion accepted` for the store alone.  With `--mode stream` one
caller sends them all, CONC is how many connections there are to the relay, and each has
`--unanswered` mails under way.  `--relay-in-flight` is the relay's `in_flight`.

    python benchmarks/contender.py --port 2525 --data FOLDER --conc 8 [--mode stream]

FOLDER has text.txt and body.html, and att.bin for `--kind att1m`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import psutil
from postroom.v1 import message_pb2, send_pb2
from postroom.v1.delivery_service_pb2_grpc import DeliveryServiceStub

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from benchmarks.callers import Watch, stream, unary
from benchmarks.library import Window, told
from tests.support.process import daemon, free_port

CONFIG = """
[store]
url = "sqlite:///{folder}/postroom.db"
[relays.main]
host = "{host}"
port = {port}
encryption = "{encryption}"
tls_verify = false
pool_size = {pool}
in_flight = {in_flight}
{login}
[log]
level = "error"
"""
LOGIN = 'username = "user"\npassword = "pass"'
COMPLETIONS = {
    "relayed": send_pb2.COMPLETION_RELAYED,
    "accepted": send_pb2.COMPLETION_ACCEPTED,
}


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


def loaded(
    asked: argparse.Namespace, target: str, process: psutil.Process
) -> dict[str, Any]:
    """Keep the service busy; what is printed."""
    now = time.perf_counter()
    window = Window(now + asked.warm, now + asked.warm + asked.secs)
    mail = request(asked)
    with grpc.insecure_channel(target) as channel:
        stub = DeliveryServiceStub(channel)

        def caller() -> None:
            try:
                if asked.mode == "stream":
                    stream(stub, mail, Watch(window), asked.conc * asked.unanswered)
                else:
                    unary(stub, mail, Watch(window))
            except (grpc.RpcError, RuntimeError) as error:
                window.errors.append(repr(error))

        callers = 1 if asked.mode == "stream" else asked.conc
        threads = [threading.Thread(target=caller) for _ in range(callers)]
        for thread in threads:
            thread.start()
        time.sleep(max(0.0, window.begin - time.perf_counter()))
        before = spent(process)
        time.sleep(max(0.0, window.end - time.perf_counter()))
        cpu = spent(process) - before
        for thread in threads:
            thread.join()
    return told(window, asked.secs, cpu)


def spent(process: psutil.Process) -> float:
    """Seconds of processor time, user and system."""
    times = process.cpu_times()
    return times.user + times.system


def peak(process: psutil.Process) -> float:
    """MiB that were resident at most."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """What was asked for, on the command line or *given*."""
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
    parser.add_argument("--mode", choices=["unary", "stream"], default="unary")
    parser.add_argument("--relay-in-flight", type=int, default=1)
    parser.add_argument("--unanswered", type=int, default=8, help="of a stream")
    return parser.parse_args(given)


@contextlib.contextmanager
def serving(asked: argparse.Namespace) -> Iterator[tuple[str, psutil.Process]]:
    """A service whose relay is what was *asked*: where it listens, and its process."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "postroom.toml"
        config.write_text(
            CONFIG.format(
                folder=folder,
                host=asked.host,
                port=asked.port,
                encryption="tls" if asked.tls else "none",
                pool=max(2, asked.conc),
                in_flight=asked.relay_in_flight,
                login=LOGIN if asked.tls else "",
            ),
            encoding="utf-8",
        )
        with daemon(config, free_port()) as running:
            yield running.target, psutil.Process(running.process.pid)


def main() -> None:
    """Run one cell."""
    asked = arguments()
    with serving(asked) as (target, process):
        line = loaded(asked, target, process)
        print(json.dumps({**line, "rss": peak(process)}))


if __name__ == "__main__":
    main()
