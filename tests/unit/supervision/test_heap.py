"""A heap that threads share, and that keeps what a large mail needed."""

from __future__ import annotations

import platform
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="the GNU C library alone can"
)
PATIENCE = 60.0
PAGES_OF_A_MAIL = 3 * 1024 * 1024 // 4096

PROGRAM = """
import resource, sys, threading
from postroom_server.supervision.heap import share_heap

if sys.argv[1] == "shared":
    share_heap()

def mails(count):
    for _ in range(count):
        mail = [bytes(1024 * 1024) for _ in range(3)]
        del mail

def one_of_many():
    together.wait(30)
    with turn:
        mails(5)
    together.wait(30)

together, turn = threading.Barrier(6), threading.Lock()
mails(2)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
threads = [threading.Thread(target=one_of_many) for _ in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(heap: str) -> int:
    """How many pages mails of three pieces take anew, five in each of six threads."""
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), heap]
    ran = subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    return int(ran.stdout)


def test_what_one_mail_needed_is_kept_for_the_next_in_any_thread():
    assert faults("shared") < PAGES_OF_A_MAIL
    assert faults("own") > 4 * PAGES_OF_A_MAIL
