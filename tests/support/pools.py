"""Using a pool, for tests of it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from postroom_server.smtp.pool import SessionPool
from postroom_server.smtp.timeouts import Deadline

from tests.support.controls import Orders, a_mail
from tests.support.scripted_relay import PATIENCE


def use(pool: SessionPool) -> bool:
    """Send a mail through it; whether it was accepted."""
    with pool.session() as session:
        return session.transact(a_mail(), Orders()).accepted


def wait_until(true: Callable[[], object]) -> None:
    """Look again and again, for a state that no event tells of."""
    deadline, pause = Deadline.after(PATIENCE), threading.Event()
    while not true():
        assert not deadline.passed
        # What it waits for is done by other threads, which need the interpreter.
        pause.wait(0.001)
