"""Callers that send without a pause until they are told to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Self

from postroom import Client, Completion, PostroomError
from postroom.results import DeliveryResult

PATIENCE = 30.0
LATER = timedelta(seconds=0.05)
PAUSE = threading.Event()


class Load:
    """Threads that send; *answers* has, by subject, what each caller was told.

    *completions* take turns; mail for `LATER` is ACCEPTED, and found by a claim.  *failed* are the subjects whose callers got an error,
    *failed_at* the moments (monotonic).
    """

    def __init__(
        self,
        target: str,
        completions: Sequence[Completion | timedelta],
        next_marker: Callable[[], str],
        *,
        callers: int = 4,
        text: str = "x",
    ) -> None:
        self.answers: dict[str, DeliveryResult] = {}
        self.failed: dict[str, PostroomError] = {}
        self.failed_at: list[float] = []
        self._completions = completions
        self._next_marker = next_marker
        self._text = text
        self._client = Client(target, max_attempts=1)
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(n,), name=f"load-{n}")
            for n in range(callers)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()
        self._client.close()

    def _run(self, number: int) -> None:
        turn = number
        while not self._stop.is_set():
            turn += 1
            self._send(self._completions[turn % len(self._completions)])

    def _send(self, completion: Completion | timedelta) -> None:
        marker = self._next_marker()
        is_later = isinstance(completion, timedelta)
        try:
            self.answers[marker] = self._client.send(
                from_="me@example.com",
                to="ada@example.com",
                subject=marker,
                text=self._text,
                completion=None if is_later else completion,
                send_at=completion if is_later else None,
                timeout=10,
            )
        except PostroomError as error:
            self.failed_at.append(time.monotonic())
            self.failed[marker] = error
            PAUSE.wait(0.01)


def subject_of(content: bytes) -> str:
    """The marker that a mail of a `Load` carries."""
    return content.split(b"\r\nSubject: ", 1)[1].split(b"\r\n", 1)[0].decode()
