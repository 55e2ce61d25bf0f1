"""`postroom stats`, once and again and again."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios

import grpc
import pytest
from postroom.cli import watch
from postroom.cli.app import app
from postroom.v1 import stats_pb2
from typer.testing import CliRunner

from tests.support.fake_service import Refusal, serving

PATIENCE = 30.0
AWAY = Refusal(code=grpc.StatusCode.UNAVAILABLE, text="gone", reason="DRAINING")


def numbers(rate=0.1, **counters):
    window = stats_pb2.WindowStats(
        window=stats_pb2.STATS_WINDOW_1M,
        counters=stats_pb2.DeliveryCounters(
            **{"accepted": 7, "succeeded": 5, "partial": 1, "failed": 1, **counters}
        ),
        send_rate=rate,
        success_rate=0.875,
        latencies=[
            stats_pb2.Latency(
                kind=stats_pb2.LATENCY_KIND_SEND,
                count=6,
                p50_seconds=0.02,
                p90_seconds=0.07,
            )
        ],
    )
    relay = stats_pb2.RelayStats(
        relay="relays/main",
        pool=stats_pb2.PoolStats(idle=1, in_use=2, reused=30),
        queue=stats_pb2.QueueStats(due=4, retrying=3),
    )
    return stats_pb2.GetStatsResponse(
        windows=[window], queue=stats_pb2.QueueStats(due=4), relays=[relay]
    )


@pytest.fixture
def run(service, monkeypatch):
    monkeypatch.setenv("POSTROOM_TARGET", service.target)
    return lambda *arguments: CliRunner().invoke(app, ["stats", *arguments])


@pytest.fixture
def readings(monkeypatch):
    """Lets `--watch` take so many readings, and then presses Ctrl-C."""

    def allow(count):
        rests = iter(range(count - 1))

        def rest(_seconds):
            if next(rests, None) is None:
                raise KeyboardInterrupt

        monkeypatch.setattr(watch, "rest", rest)

    return allow


def test_the_numbers_are_tables(run, service):
    service.script("GetStats", numbers())
    found = run()
    rows = [line.split() for line in found.stdout.splitlines()]

    assert found.exit_code == 0
    row = ["1M", "7", "6", "1", "0", "0.1/s", "87.5%", "20", "ms", "70", "ms"]
    assert row in rows
    assert ["relays/main", "4", "3", "1", "2", "0", "0", "30", "0"] in rows
    assert "queue: 4 due" in found.stdout


def test_no_terminal_gets_a_line_for_each_reading(run, service, readings):
    service.script("GetStats", numbers(1.5), numbers(2.5))
    readings(2)
    found = run("--watch")
    lines = [line.split("  ")[1:] for line in found.stdout.splitlines()]

    assert found.exit_code == 0
    assert [line[:4] for line in lines] == [
        ["1M", "rate 1.5/s", "success 87.5%", "p90 70 ms"],
        ["1M", "rate 2.5/s", "success 87.5%", "p90 70 ms"],
    ]


def test_json_is_a_line_for_each_reading(run, service, readings):
    service.script("GetStats", numbers(1.5), AWAY, AWAY, AWAY, AWAY, numbers(2.5))
    readings(3)
    found = [
        json.loads(line) for line in run("--every", "1", "--json").stdout.splitlines()
    ]

    assert found[0]["windows"][0]["send_rate"] == 1.5
    assert found[1]["away"]["code"] == "UNAVAILABLE"
    assert found[2]["windows"][0]["send_rate"] == 2.5


def test_a_service_that_is_away_is_waited_for(run, service, readings):
    service.script("GetStats", AWAY, AWAY, AWAY, AWAY, numbers(2.5))
    readings(2)
    away, back = run("--watch").stdout.splitlines()

    assert "away: gone" in away
    assert "rate 2.5/s" in back


def test_what_waiting_does_not_mend_ends_it(run, service, readings):
    code = grpc.StatusCode.NOT_FOUND
    service.script("GetStats", Refusal(code=code, text="no such relay", reason="X"))
    readings(5)
    found = run("nothing", "--watch")

    assert found.exit_code == 4
    assert "no such relay" in found.stderr


@pytest.mark.parametrize("seconds", ["0", "-1", "x"])
def test_an_interval_is_some_time(run, seconds):
    assert run("--every", seconds).exit_code == 2


def command(target, *options):
    return [sys.executable, "-m", "postroom.cli", "--target", target, "stats", *options]


def test_ctrl_c_ends_it_without_a_word():
    with serving() as service:
        service.script("GetStats", *[numbers()] * 100)
        process = subprocess.Popen(
            command(service.target, "--every", "0.1"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        with process:
            first = process.stdout.readline()
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=PATIENCE)

    assert b"rate 0.1/s" in first
    assert (process.returncode, errors) == (0, b"")


def test_a_terminal_gets_one_table_drawn_anew_with_courses():
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with serving() as service, os.fdopen(ours, "rb", buffering=0) as screen:
        service.script("GetStats", *[numbers(n / 10) for n in range(1, 200)])
        process = subprocess.Popen(
            command(service.target, "--every", "0.1"),
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8"},
        )
        os.close(theirs)
        with process:
            shown = b""
            while "▁▂▃▄▅▆▇█".encode()[:6] not in shown or b"0.6/s" not in shown:
                shown += screen.read(4096)
            process.send_signal(signal.SIGINT)
            # Its end takes the terminal away.
            with contextlib.suppress(OSError):
                while rest := screen.read(4096):
                    shown += rest
            process.wait(PATIENCE)

    assert process.returncode == 0
    assert b"RATE SO FAR" in shown
    # Nothing is cut on the narrowest terminal that people have.
    assert b"P90 SO FAR" in shown
    assert "…".encode() not in shown
    assert b"\x1b[?25l" in shown
    assert shown.rindex(b"\x1b[?25h") > shown.rindex(b"\x1b[?25l")
    assert b"Traceback" not in shown
