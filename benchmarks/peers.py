"""Postroom beside smtplib and aiosmtplib, which compose with `EmailMessage`.

Each in turn, in alternating rounds, against a relay in a process of its own: mails a
second, processor time for one, how often the relay had to answer for one, and the ratio
to smtplib as most programs use it (a kept connection, NOOP before it is used again) and
to aiosmtplib, the median over the rounds.  Ours are the whole service through gRPC, by
SendMessage and by a stream, whose processor time is the service's; and our library,
which leaves out gRPC and the store.

    python -m benchmarks.peers [--rounds 3] [--secs 1.2] [--json FILE]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import statistics
import tempfile
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import contender, library, rivals
from benchmarks.compose import prose
from tests.support.counting_process import sink

CONC = 8
NOOP, AIO = "smtplib, NOOP", "aiosmtplib, kept"
Run = dict[str, Any]
Contender = Callable[[Namespace], Run]


@dataclass(frozen=True)
class Cell:
    """One table: *rtt* in ms, *kind* as `library` has it; it takes *times* as long."""

    name: str
    rtt: float
    kind: str
    times: float = 1.0


CELLS = (
    Cell("0 ms, 10 KB", 0, "text10k"),
    Cell("20 ms, 10 KB", 20, "text10k"),
    Cell("0 ms, 1 MB", 0, "att1m", 1.7),
)


def of_library(in_flight: int) -> Contender:
    """Our pool, with as many mails under way in each session."""

    def run(asked: Namespace) -> Run:
        return library.measured(Namespace(**{**vars(asked), "in_flight": in_flight}))

    return run


LIBRARIES: dict[str, Contender] = {
    NOOP: rivals.with_noop,
    "smtplib, kept": rivals.kept,
    "smtplib, connecting": rivals.connecting,
    AIO: rivals.with_aiosmtplib,
    "library": of_library(1),
    "library, 8 in flight": of_library(8),
}
SERVICES = {
    "SendMessage": ["--mode=unary"],
    "SendMessages": ["--mode=stream"],
    "SendMessages, 8 in flight": ["--mode=stream", "--relay-in-flight=8"],
}


@contextlib.contextmanager
def contenders(asked: Namespace) -> Iterator[dict[str, Contender]]:
    """All of them; the services run until the end, and stand still between rounds."""
    names = ("port", "data", "kind", "conc", "secs", "warm")
    words = [f"--{name}={getattr(asked, name)}" for name in names]
    every = dict(LIBRARIES)
    with contextlib.ExitStack() as stack:
        for name, options in SERVICES.items():
            given = contender.arguments([*words, *options])
            target, process = stack.enter_context(contender.serving(given))
            load = partial(contender.loaded, given, target, process)
            load()
            every[name] = lambda _, load=load: load()
        yield every


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


def rounds_of(cell: Cell, asked: Namespace) -> dict[str, list[Run]]:
    """What each contender did, round by round."""
    rows: dict[str, list[Run]] = {}
    with tempfile.TemporaryDirectory() as folder, sink(cell.rtt) as relay:
        parts = contents(Path(folder))
        parts["file"] = parts["file"] if cell.kind == "att1m" else None
        each = Namespace(
            **parts,
            host="127.0.0.1",
            port=relay.port,
            conc=CONC,
            secs=asked.secs * cell.times,
            warm=0.3,
            kind=cell.kind,
            tls=False,
        )
        with contenders(each) as every:
            rows = {name: [] for name in every}
            for _ in range(asked.rounds):
                for name in random.sample(list(every), len(every)):
                    before = relay.counts()
                    run = every[name](each)
                    rows[name].append({**run, "sink": asdict(relay.counts() - before)})
    return rows


def ratios(runs: Sequence[Run], rival: Sequence[Run]) -> list[float]:
    """How many times the rate of *rival*, round by round."""
    # On a busy machine a rival may not send one mail in a round.
    pairs = zip(runs, rival, strict=True)
    return [a["rate"] / b["rate"] for a, b in pairs if b["rate"]]


def middle(values: Sequence[float]) -> float:
    return statistics.median(values or [float("nan")])


def summary(rows: dict[str, list[Run]]) -> dict[str, dict[str, float]]:
    """The medians of each contender."""
    return {
        name: {
            "rate": middle([run["rate"] for run in runs]),
            "p50": middle([run["p50"] for run in runs]),
            "cpu": middle([run["cpu"] / max(1, run["n"]) * 1e3 for run in runs]),
            "turns": middle(
                [run["sink"]["turns"] / max(1, run["sink"]["mails"]) for run in runs]
            ),
            "to_smtplib": middle(ratios(runs, rows[NOOP])),
            "to_aiosmtplib": middle(ratios(runs, rows[AIO])),
        }
        for name, runs in rows.items()
    }


def table(cell: Cell, medians: dict[str, dict[str, float]]) -> None:
    """Print them, in Markdown."""
    heads = ("mails/s", "p50, ms", "CPU, ms", "turns", "to smtplib", "to aiosmtplib")
    print(f"\n{cell.name}, {CONC} connections\n")
    print(f"| {'':25} |" + "".join(f" {head:>13} |" for head in heads))
    print("|---|" + "---|" * len(heads))
    for name, row in medians.items():
        places = zip(row.values(), (0, 1, 3, 1, 2, 2), strict=True)
        cells = "".join(f" {value:13,.{n}f} |" for value, n in places)
        print(f"| {name:25} |{cells}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--secs", type=float, default=1.2)
    parser.add_argument("--json", type=Path, help="write medians and every run there")
    asked = parser.parse_args()
    every = {}
    for cell in CELLS:
        rows = rounds_of(cell, asked)
        medians = summary(rows)
        table(cell, medians)
        for name, runs in rows.items():
            if wrong := [run["error"] for run in runs if run["errors"]]:
                print(f"{name}: {wrong[0]}")
        every[cell.name] = {"medians": medians, "runs": rows}
    if asked.json:
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        asked.json.write_text(json.dumps(every, indent=1))


if __name__ == "__main__":
    main()
