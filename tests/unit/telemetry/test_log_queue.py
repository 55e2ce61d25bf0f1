"""Nobody who logs waits for who reads the log."""

from __future__ import annotations

import fcntl
import json
import os
import threading

import pytest
import structlog
from postroom_server.telemetry.log_queue import LogQueue
from postroom_server.telemetry.logs import LogSettings, set_up_logs

PATIENCE = 20.0


@pytest.fixture
def pipe():
    """The reading end as a file, and the writing end as another process has it."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    with os.fdopen(reading, "rb") as reader, os.fdopen(writing, "w") as writer:
        yield reader, writer


@pytest.fixture
def events():
    yield
    structlog.reset_defaults()


def test_lines_are_written_in_their_order(pipe):
    reader, writer = pipe
    with LogQueue(writer) as log:
        for number in range(100):
            log.write(f"{number}\n")
    writer.close()

    assert reader.read().split() == [b"%d" % n for n in range(100)]


def test_a_log_that_nobody_reads_holds_nobody_up(pipe):
    _, writer = pipe
    with LogQueue(writer, most_waiting=10_000) as log:
        done = threading.Event()

        def chatter():
            for _ in range(1000):
                log.write("x" * 99 + "\n")
            done.set()

        threading.Thread(target=chatter, name="chatter").start()
        finished = done.wait(PATIENCE)
        kept = log.waiting
        os.read(pipe[0].fileno(), 1 << 20)
        os.set_blocking(pipe[0].fileno(), False)
        pipe[0].close()

    assert finished
    # What the pipe takes, and what the thread has taken and can't get rid of.
    assert log.lost >= 1000 - kept - 200
    assert kept <= 100


def test_what_was_lost_is_told_once_there_is_room(pipe, events):
    reader, writer = pipe
    with LogQueue(writer, most_waiting=6000) as log:
        set_up_logs(LogSettings(), log)
        while not log.lost:
            log.write("x" * 999 + "\n")
        lost = log.lost
        lines = iter(reader.readline, b"")
        told = next(json.loads(line) for line in lines if line.startswith(b"{"))

    assert (told["event"], told["level"]) == ("log.lines_lost", "warning")
    assert told["lines"] >= lost


def test_a_pipe_without_a_reader_is_not_told_about_for_ever(pipe, events):
    reader, writer = pipe
    reader.close()
    log = LogQueue(writer)
    set_up_logs(LogSettings(), log)
    log.write("x\n")
    log._turn()

    assert (log.lost, log.waiting) == (1, 0)


def test_a_descriptor_that_does_not_block_loses_nothing(pipe):
    reader, writer = pipe
    os.set_blocking(writer.fileno(), False)
    with LogQueue(writer) as log:
        for _ in range(100):
            log.write("x" * 99 + "\n")
        got = reader.read(100 * 100)

    assert len(got) == 100 * 100
    assert log.lost == 0


def test_what_comes_after_the_end_is_lost_and_harmless(pipe):
    with LogQueue(pipe[1]) as log:
        pass
    log.write("late\n")

    assert log.lost == 1
