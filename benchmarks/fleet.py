"""Mails a second over one, two and four processes on one PostgreSQL.

The processes share a port and a relay, a sink of its own; callers are processes of
their own too, with connections of their own, which the system spreads.  Each mail has
10 KB of text, is durable before it is delivered, and is answered with the relay's
verdict.  Prints, for each number of processes, mails a second, the processor time that
all of them, and the database, took for a mail, and the ratio to one process.

    python -m benchmarks.fleet [--seconds 5] [--callers 32] [--processes 1,2,4]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import grpc
import psutil
import psycopg
from postroom.v1 import message_pb2, send_pb2
from postroom.v1.delivery_service_pb2_grpc import DeliveryServiceStub

from tests.support.counting_process import sink
from tests.support.fleets import fleet, fleet_settings
from tests.support.postgres import postgres, stop_postgres
from tests.support.process import daemon, free_port

TEXT = "Your order has shipped, and arrives on Thursday.\n" * 200
CALLERS = 2
"""Processes that call: one would be busy with itself."""
WARM_UP = 1.5
LEAST = 60.0
OWN_CONNECTION = [("grpc.use_local_subchannel_pool", 1)]


def request() -> send_pb2.SendMessageRequest:
    """What every call sends."""
    return send_pb2.SendMessageRequest(
        message=message_pb2.Message(
            from_mailbox=message_pb2.Mailbox(address="me@example.com"),
            to=[message_pb2.Mailbox(address="ada@example.com")],
            subject="Your order",
            text_body=TEXT,
        )
    )


def call(target: str, callers: int, seconds: float) -> int:
    """Keep *callers* calls under way for *seconds*; how many were answered."""
    until, mail = time.monotonic() + seconds, request()
    sent = [0] * callers

    def caller(number: int) -> None:
        with grpc.insecure_channel(target, options=OWN_CONNECTION) as channel:
            stub = DeliveryServiceStub(channel)
            while time.monotonic() < until:
                stub.SendMessage(mail, timeout=LEAST)
                sent[number] += 1

    threads = [threading.Thread(target=caller, args=(n,)) for n in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(sent)


def load(target: str, callers: int, seconds: float) -> int:
    """The same, from `CALLERS` processes."""
    share = callers // CALLERS
    command = [sys.executable, "-m", "benchmarks.fleet", "--call", target]
    command += ["--callers", str(share), "--seconds", str(seconds)]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(CALLERS)
    ]
    return sum(int(one.communicate()[0]) for one in running)


def spent(processes: Iterable[psutil.Process]) -> float:
    """Seconds of processor time."""
    times = [process.cpu_times() for process in processes]
    return sum(one.user + one.system for one in times)


def database() -> list[psutil.Process]:
    """The database's processes; of a connection that ended, the time is lost."""
    named = psutil.process_iter(["name"])
    return [p for p in named if (p.info["name"] or "").startswith("postgres")]


def measured(processes: int, asked: argparse.Namespace) -> tuple[float, float, float]:
    """Mails a second, and ms of processor time a mail: the processes', the store's."""
    url = postgres().fresh()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = on")
        connection.execute("SELECT pg_reload_conf()")
    with tempfile.TemporaryDirectory() as folder, sink() as relay:
        config = fleet_settings(Path(folder) / "c", url, relay.port, pool_size=16)
        alone = processes == 1
        serving = daemon(config, free_port()) if alone else fleet(config, processes)
        with serving as service:
            load(service.target, asked.callers, WARM_UP)
            first = psutil.Process(service.process.pid)
            ours = [first, *first.children(recursive=True)]
            before, stored = spent(ours), spent(database())
            sent = load(service.target, asked.callers, asked.seconds)
            cost = (spent(ours) - before) / sent * 1e3
            store = (spent(database()) - stored) / sent * 1e3
    return sent / asked.seconds, cost, store


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--callers", type=int, default=32)
    parser.add_argument("--processes", default="1,2,4")
    parser.add_argument("--call", metavar="TARGET", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.call:
        print(call(asked.call, asked.callers, asked.seconds))
        return
    print("processes   mails/s   ratio   ours, ms   database, ms")
    one = 0.0
    try:
        for processes in map(int, asked.processes.split(",")):
            rate, cost, store = measured(processes, asked)
            one = one or rate
            figures = f"{rate:9.0f} {rate / one:7.2f} {cost:10.2f} {store:14.2f}"
            print(f"{processes:9} {figures}", flush=True)
    finally:
        stop_postgres()


if __name__ == "__main__":
    main()
