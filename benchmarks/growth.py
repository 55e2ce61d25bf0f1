"""How what a mail costs grows with what is asked of the service.

Mails under way at once, their size, their recipients, idle sessions, relays: for each,
mails a second and the service's processor time for one.  Service, relay and callers
are processes of their own; completion RELAYED, so every mail was stored and taken.

    python -m benchmarks.growth [PART...] [--full] [--seconds 1.5] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from postroom.v1 import message_pb2
from postroom.v1.delivery_service_pb2_grpc import DeliveryServiceStub
from postroom.v1.send_pb2 import COMPLETION_ACCEPTED, SendMessageRequest
from postroom.v1.stats_pb2 import GetStatsRequest
from postroom_server.domain.limits import MB

from benchmarks.compose import prose
from benchmarks.growing import DEADLINE, Cost, Send, Served, delivered, serving
from tests.gates.large import Letter
from tests.support.counting_process import Sink, sink
from tests.support.service import a_request, plain
from tests.support.streams import mail_frames

Row = dict[str, Any]
TEXT = prose(10_240, random.Random(1))
CALLERS, SESSIONS = 8, 32


def sender(*requests: SendMessageRequest) -> Send:
    """Sends these in turn."""

    def send(stub: DeliveryServiceStub, number: int) -> None:
        mail = requests[number % len(requests)]
        delivered(stub.SendMessage(mail, timeout=DEADLINE).result)

    return send


def small(**fields: Any) -> SendMessageRequest:
    """A mail of 10 KB; *fields* as those of `a_request`."""
    return a_request(message={"text_body": TEXT}, **fields)


def in_flight(asked: argparse.Namespace) -> Iterator[Row]:
    """Unary calls side by side, and mails unanswered on one stream.

    They go to several relays, since of one at most 64 callers wait for its verdict.
    """
    steps = [1 << n for n in range(9)] if asked.full else [1, 8, 64, 256]
    with sink() as relay:
        several = {f"r{n}": plain(relay.port, pool_size=4) for n in range(8)}
        with serving({**several, **main_relay(relay)}) as service:
            mails = [small(relay=f"relays/{name}") for name in several]
            for step in steps:
                row: Row = {"under way": step}
                row |= told(service.unary(sender(*mails), step, asked.seconds))
                streamed = told(service.stream(mails, step, asked.seconds))
                yield row | {f"stream {key}": value for key, value in streamed.items()}


def size(asked: argparse.Namespace) -> Iterator[Row]:
    """The text up to 100 KB, and a file from 1 MB on; from 10 MB on in pieces."""
    steps = [1_000, 10_000, 100_000, MB, 10 * MB] + [100 * MB] * asked.full
    for step in steps:
        # A service of its own for each, since its memory tells of the largest.
        with sink() as relay, serving(main_relay(relay)) as service:
            callers = CALLERS if step <= MB else 2
            before = service.resident
            cost = service.unary(of_size(step), callers, asked.seconds)
            yield {
                "octets": step,
                "callers": callers,
                **told(cost),
                "MB/s": cost.rate * step / MB,
                "extra MiB": (service.peak - before) / 1024,
            }


def of_size(octets: int) -> Send:
    """Sends a mail of so many."""
    if octets < MB:
        text = prose(octets, random.Random(1))
        return sender(a_request(message={"text_body": text}))
    if octets == MB:
        file = message_pb2.Attachment(
            filename="a.bin",
            content_type="application/octet-stream",
            data=random.Random(2).randbytes(octets),
        )
        return sender(a_request(message={"attachments": [file]}))
    files = (10,) if octets == 10 * MB else (25,) * (octets // (25 * MB))

    def send(stub: DeliveryServiceStub, _number: int) -> None:
        letter = Letter(files=files)
        frames = mail_frames(letter.request(), letter.parts())
        delivered(stub.SendMessageStream(frames, timeout=DEADLINE).result)

    return send


def recipients(asked: argparse.Namespace) -> Iterator[Row]:
    """All of them in one mail."""
    with sink() as relay, serving(main_relay(relay)) as service:
        for step in [1, 2, 5, 10, 20, 50, 100] if asked.full else [1, 10, 100]:
            to = " ".join(f"r{n}@example.com" for n in range(step))
            cost = service.unary(sender(small(to=to)), CALLERS, asked.seconds)
            each = {"CPU ms a recipient": cost.cpu / step}
            yield {"recipients": step, **told(cost), **each}


def idle(asked: argparse.Namespace) -> Iterator[Row]:
    """Sessions that wait, and whether the mail of another relay minds them."""
    steps = [0, 50, 100, 200, 500] if asked.full else [0, 100, 500]
    for encryption in ("none", "tls"):
        with ExitStack() as stack:
            relay = stack.enter_context(sink())
            rows: dict[int, Row] = {}
            served: dict[int, Served] = {}
            for step in steps:
                far = stack.enter_context(
                    sink(tickets=2 if encryption == "tls" else None)
                )
                keys = {"pool_size": max(1, step), "tls_verify": False}
                other = {**plain(far.port, **keys), "encryption": encryption}
                relays = {**main_relay(relay), "other": other}
                served[step] = stack.enter_context(serving(relays))
                rows[step] = opened(served[step], far, step)
            ratios = rates(served, asked)
            for step, row in rows.items():
                middle = statistics.median(ratios[step])
                yield {"idle": step, "TLS": encryption, **row, "rate, to none": middle}


def opened(service: Served, relay: Sink, step: int) -> Row:
    """Open so many sessions with the other relay; what each takes."""
    service.unary(sender(small()), CALLERS, 0.5)
    before, threads = service.resident, service.process.num_threads()
    mail = small(relay="relays/other", completion=COMPLETION_ACCEPTED)

    def accept(_number: int) -> None:
        service.stubs[0].SendMessage(mail, timeout=DEADLINE)

    relay.hold()
    with ThreadPoolExecutor(CALLERS) as callers:
        list(callers.map(accept, range(step)))
    until(lambda: relay.counts().sessions == step)
    relay.go_on()
    until(lambda: idle_ones(service) == step)
    each = (service.resident - before) / step if step else 0.0
    more = service.process.num_threads() - threads
    return {"KiB each": each, "more threads": more}


def until(true: Callable[[], bool]) -> None:
    while not true():
        time.sleep(0.1)


def idle_ones(service: Served) -> int:
    """How many sessions with the other relay wait."""
    asked = GetStatsRequest(include_relays=True)
    every = service.stubs[0].GetStats(asked, timeout=DEADLINE).relays
    (found,) = (one.pool.idle for one in every if one.relay == "relays/other")
    return found


def rates(
    served: dict[int, Served], asked: argparse.Namespace
) -> dict[int, list[float]]:
    """Mails a second of each, as ratios to the first, round by round."""
    found: dict[int, list[float]] = {step: [] for step in served}
    for _ in range(5):
        round_of = {
            step: service.unary(sender(small()), CALLERS, asked.seconds / 2)
            for step, service in served.items()
        }
        for step, cost in round_of.items():
            found[step].append(cost.rate / round_of[0].rate)
    return found


def relays(asked: argparse.Namespace) -> Iterator[Row]:
    """Mail takes turns over all of them."""
    steps = [1, 2, 5, 10, 20, 50, 100, 200] if asked.full else [1, 10, 50, 200]
    with sink() as relay:
        for step in steps:
            several = {f"r{n}": plain(relay.port, pool_size=4) for n in range(step - 1)}
            names = ["main", *several]
            with serving({**main_relay(relay), **several}) as service:
                mails = [small(relay=f"relays/{name}") for name in names]
                before = service.resident
                cost = service.unary(sender(*mails), CALLERS, asked.seconds)
                yield {
                    "relays": step,
                    **told(cost),
                    "threads": service.process.num_threads(),
                    "MiB at first": before / 1024,
                    "MiB then": service.resident / 1024,
                }


def main_relay(relay: Sink) -> dict[str, dict[str, Any]]:
    return {"main": plain(relay.port, pool_size=SESSIONS)}


def told(cost: Cost) -> Row:
    return {"mails/s": cost.rate, "CPU ms": cost.cpu}


PARTS = {
    "in-flight": in_flight,
    "size": size,
    "recipients": recipients,
    "idle": idle,
    "relays": relays,
}


def shown(value: object) -> str:
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) else str(value)
    return f"{value:,.0f}" if value >= 100 else f"{value:,.2f}"


def line(cells: Iterable[str]) -> str:
    """A row of a table in Markdown."""
    return "| " + " | ".join(f"{cell:>10}" for cell in cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], metavar="PART")
    parser.add_argument("--full", action="store_true", help="every step, 100 MB too")
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--json", type=Path, help="write the rows there")
    asked = parser.parse_args()
    every: dict[str, list[Row]] = {}
    for part in asked.parts or PARTS:
        print(f"\n{part}\n")
        every[part] = []
        for row in PARTS[part](asked):
            if not every[part]:
                print(line(row), line(["---"] * len(row)), sep="\n")
            print(line(map(shown, row.values())), flush=True)
            every[part].append(row)
    if asked.json:
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        asked.json.write_text(json.dumps(every, indent=1))


if __name__ == "__main__":
    main()
