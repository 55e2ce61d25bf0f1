"""Our way to a relay beside smtplib and aiosmtplib, which compose with `EmailMessage`.

Each in turn, in alternating rounds, against a sink in a process of its own: mails a
second, processor time for one, and the ratio to smtplib as most programs use it (a kept
connection, NOOP before it is used again), the median over the rounds.

    python -m benchmarks.peers [--rounds 3] [--secs 1.2] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import smtplib
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import Any

import aiosmtplib

from benchmarks import library
from benchmarks.compose import prose

CONC = 8
RIVAL = "smtplib, NOOP"


@dataclass(frozen=True)
class Cell:
    """One table: *rtt* in ms, *kind* as `library` has it."""

    name: str
    rtt: float
    kind: str


CELLS = (
    Cell("0 ms, 10 KB", 0, "text10k"),
    Cell("20 ms, 10 KB", 20, "text10k"),
    Cell("0 ms, 1 MB", 0, "att1m"),
)


def message(asked: Namespace) -> EmailMessage:
    """The mail as the standard library makes it, anew for each send."""
    mail = EmailMessage()
    mail["From"], mail["To"] = library.FROM, library.TO
    mail["Subject"] = "Your order has shipped \N{EN DASH} tracking inside"
    mail["Date"], mail["Message-ID"] = formatdate(), make_msgid(domain="example.com")
    mail.set_content(asked.text)
    mail.add_alternative(asked.html, subtype="html")
    if asked.file:
        mail.add_attachment(
            asked.file, maintype="application", subtype="pdf", filename="invoice.pdf"
        )
    return mail


def with_smtplib(*, noop: bool) -> Callable[[Namespace], dict[str, Any]]:
    """One connection for each thread, kept."""

    def run(asked: Namespace) -> dict[str, Any]:
        def send(window: library.Window) -> None:
            with smtplib.SMTP("127.0.0.1", asked.port) as relay:
                while (began := time.perf_counter()) < window.end:
                    if noop:
                        relay.noop()
                    relay.send_message(message(asked))
                    note(window, began)

        return in_threads(asked, send)

    return run


def connecting(asked: Namespace) -> dict[str, Any]:
    """smtplib, a connection for each mail."""

    def send(window: library.Window) -> None:
        while (began := time.perf_counter()) < window.end:
            with smtplib.SMTP("127.0.0.1", asked.port) as relay:
                relay.send_message(message(asked))
            note(window, began)

    return in_threads(asked, send)


def with_aiosmtplib(asked: Namespace) -> dict[str, Any]:
    """One kept connection for each task."""
    window, cpu = window_of(asked), [0.0, 0.0]

    async def send() -> None:
        async with aiosmtplib.SMTP(
            hostname="127.0.0.1", port=asked.port, start_tls=False
        ) as relay:
            while (began := time.perf_counter()) < window.end:
                await relay.send_message(message(asked))
                note(window, began)

    async def everybody() -> None:
        tasks = [asyncio.create_task(send()) for _ in range(asked.conc)]
        await asyncio.sleep(max(0.0, window.begin - time.perf_counter()))
        cpu[0] = library.spent()
        await asyncio.sleep(max(0.0, window.end - time.perf_counter()))
        cpu[1] = library.spent()
        await asyncio.gather(*tasks)

    asyncio.run(everybody())
    return library.told(window, asked.secs, cpu[1] - cpu[0])


def ours(in_flight: int) -> Callable[[Namespace], dict[str, Any]]:
    """Our pool, with as many mails under way in each session."""

    def run(asked: Namespace) -> dict[str, Any]:
        return library.measured(Namespace(**{**vars(asked), "in_flight": in_flight}))

    return run


CONTENDERS: dict[str, Callable[[Namespace], dict[str, Any]]] = {
    RIVAL: with_smtplib(noop=True),
    "smtplib, kept": with_smtplib(noop=False),
    "smtplib, connecting": connecting,
    "aiosmtplib, kept": with_aiosmtplib,
    "postroom": ours(1),
    "postroom, 8 in flight": ours(8),
}


def window_of(asked: Namespace) -> library.Window:
    """When to measure: from a little later on."""
    now = time.perf_counter()
    return library.Window(now + asked.warm, now + asked.warm + asked.secs)


def note(window: library.Window, began: float) -> None:
    """A mail was taken."""
    done = time.perf_counter()
    if window.begin <= done < window.end:
        window.took.append(done - began)


def in_threads(
    asked: Namespace, send: Callable[[library.Window], None]
) -> dict[str, Any]:
    """Have `--conc` threads send for the time of the window."""
    window = window_of(asked)
    threads = [threading.Thread(target=send, args=(window,)) for _ in range(asked.conc)]
    for thread in threads:
        thread.start()
    time.sleep(max(0.0, window.begin - time.perf_counter()))
    before = library.spent()
    time.sleep(max(0.0, window.end - time.perf_counter()))
    cpu = library.spent() - before
    for thread in threads:
        thread.join()
    return library.told(window, asked.secs, cpu)


@contextlib.contextmanager
def sink(rtt: float) -> Iterator[int]:
    """The port of a sink in a process of its own."""
    program = Path(__file__).with_name("sink.py")
    command = [sys.executable, str(program), "--rtt", str(rtt)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def contents(folder: Path) -> dict[str, Any]:
    """The parts of the mails, the same for all."""
    chance = random.Random(1)
    rows = "".join(
        f'<p class="x">{line}</p>\n' for line in prose(5200, chance).split("\n")
    )
    html = f"<!doctype html><html><body>\n{rows}</body></html>\n"
    text, file = prose(3300, chance), chance.randbytes(1 << 20)
    (folder / "text.txt").write_text(text)
    (folder / "body.html").write_text(html)
    (folder / "att.bin").write_bytes(file)
    return {"data": str(folder), "text": text, "html": html, "file": file}


def rounds_of(cell: Cell, asked: Namespace) -> dict[str, list[dict[str, Any]]]:
    """What each contender did, round by round."""
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in CONTENDERS}
    with tempfile.TemporaryDirectory() as folder, sink(cell.rtt) as port:
        parts = contents(Path(folder))
        parts["file"] = parts["file"] if cell.kind == "att1m" else None
        each = Namespace(
            **parts,
            host="127.0.0.1",
            port=port,
            conc=CONC,
            secs=asked.secs,
            warm=0.3,
            kind=cell.kind,
            tls=False,
        )
        for _ in range(asked.rounds):
            for name in random.sample(list(CONTENDERS), len(CONTENDERS)):
                rows[name].append(CONTENDERS[name](each))
    return rows


def table(cell: Cell, rows: dict[str, list[dict[str, Any]]]) -> None:
    """Print medians, and ratios of each round."""
    print(f"\n{cell.name}, {CONC} connections")
    print(f"{'':24}{'mails/s':>9}{'p50 ms':>9}{'CPU ms':>9}{'ratio':>8}")
    for name, runs in rows.items():
        rates = [run["rate"] for run in runs]
        p50 = statistics.median(run["p50"] for run in runs)
        cpu = statistics.median(run["cpu"] / max(1, run["n"]) * 1e3 for run in runs)
        # On a busy machine a rival may not send one mail in a round.
        ratios = [
            rate / base["rate"]
            for rate, base in zip(rates, rows[RIVAL], strict=True)
            if base["rate"]
        ]
        ratio = statistics.median(ratios or [float("nan")])
        rate = statistics.median(rates)
        print(f"{name:24}{rate:9.0f}{p50:9.1f}{cpu:9.3f}{ratio:8.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--secs", type=float, default=1.2)
    parser.add_argument("--json", type=Path, help="write every run there")
    asked = parser.parse_args()
    every = {}
    for cell in CELLS:
        every[cell.name] = rounds_of(cell, asked)
        table(cell, every[cell.name])
    if asked.json:
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        asked.json.write_text(json.dumps(every, indent=1))


if __name__ == "__main__":
    main()
