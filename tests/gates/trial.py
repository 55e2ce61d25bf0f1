"""A fleet that is killed again and again under load, and what became of the mail."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from postroom import Completion

from tests.gates.fleet import POOL, Fleet
from tests.gates.load import LATER, Load
from tests.gates.sink import Sink
from tests.gates.verdict import KEPT, doubles, wrong
from tests.support.process import PAUSE

ALL = (*KEPT, Completion.RELAYED, LATER)
COMES_WITHIN = 30.0
TRIES = 5
LONG = "A line like many others.\n" * 160_000
"""More than the buffers on the way hold: it can't be written while nobody reads."""


class Trial:
    """*size* processes on the store *url* ("": a file) and a relay; a context manager.

    *accepted* are the subjects that callers had an answer for.
    """

    def __init__(
        self, folder: Path, extensions: tuple[str, ...], size: int, url: str
    ) -> None:
        self.sink = Sink(folder, extensions)
        self.accepted: set[str] = set()
        self._folder, self._size, self._url = folder, size, url
        self._numbers = itertools.count()
        self._open_when_killed = 0
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            port = stack.enter_context(self.sink).port
            fleet = Fleet(self._folder, port, self._size, self._url)
            self.fleet = stack.enter_context(fleet)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def kill_at_random(self) -> None:
        """Kill one of them at any moment."""

        def kill() -> None:
            PAUSE.wait(random.uniform(0, 0.5))
            self.fleet.kill(random.randrange(self._size))

        self._under_load(kill)

    def kill_in_dialogue(self, point: str, passes: int, text: str = "x") -> None:
        """Kill the one whose dialogue with the relay has come to *point*."""

        def kill() -> None:
            self.fleet.kill(self._held_at(point, passes))
            self.sink.go_on()

        self._under_load(kill, text)

    def _held_at(self, point: str, passes: int) -> int:
        """Who stands still at *point*, and has not given up on the relay."""
        for _ in range(TRIES):
            self.sink.hold_at(point, passes)
            assert self.sink.reached.wait(COMES_WITHIN), f"never came to {point}"
            victim = self.fleet.at(self.sink.held_port)
            if victim is not None:
                return victim
            self.sink.go_on()
        raise AssertionError(f"nobody waits at {point}")

    def kill_inside(self, point: str, passes: int) -> None:
        """Kill one of them when it has come to *point* of its own work."""

        def kill() -> None:
            victim = random.randrange(self._size)
            self.fleet.condemn(victim, point, passes)
            self.fleet.await_death(victim, COMES_WITHIN)

        self._under_load(kill)

    def verdict(self) -> list[str]:
        """What was lost or told wrong."""
        self.fleet.up_again()
        target = self.fleet.targets[0]
        found = wrong(target, self.sink, self.accepted)
        twice = doubles(self.sink.counted())
        if twice > self._open_when_killed:
            found.append(f"{twice} doubles")
        return found

    def _under_load(self, kill: Callable[[], None], text: str = "x") -> None:
        self.fleet.up_again()
        callers = max(2, 4 // self._size)
        with ExitStack() as stack:
            loads = [
                stack.enter_context(
                    Load(target, ALL, self._marker, callers=callers, text=text)
                )
                for target in self.fleet.targets
            ]
            kill()
        self._open_when_killed += POOL
        for load in loads:
            self.accepted |= load.answers.keys()

    def _marker(self) -> str:
        return f"m{next(self._numbers):08d}"
