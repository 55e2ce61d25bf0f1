"""A process's tokens of a fleet: taken from common buckets, a block at a time.

A token is taken from the common bucket before it is spent, so no process ever starts
more than there is; one that dies wastes what it held.  Blocks are what half a second
used, or what was asked for; how large one may be at most is for the buckets to
say.  What was not used for a second is given back.  One thread ("postroom-tokens") asks
for all scopes at once and never twice within `SHORTEST`; callers never wait for it.

Where the store can't be reached, what is held may still be spent, and nothing more.
"""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from postroom_server.domain.errors import PostroomError
from postroom_server.domain.pacing import Bucket, Grant, Rate
from postroom_server.outbox.errors import DRIVER_ERRORS
from postroom_server.outbox.telling import tell

SHORTEST = 0.01
"""Seconds between two turns, and at least until one who got nothing may look again."""
AHEAD = 0.5
"""Seconds for which tokens are taken ahead, by how many the last ones took."""
IDLE = 1.0
"""Seconds after which what was not used is given back."""
TROUBLE = 1.0
"""Seconds between tries while the store can't be reached."""
SPREAD = 0.1
"""Seconds over which those that wait for the same token come back, at most."""

_chance = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Ask:
    """*want* tokens of *scope*, beside those *held*; *back* are given back."""

    scope: str
    rate: Rate
    want: int
    held: int
    back: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What was *granted*, and what is left in the common bucket.

    *processes* take from it, each of which may hold a *block*.
    """

    granted: int
    left: float
    block: int
    processes: int = 1


class Buckets(Protocol):
    """The common buckets.  Raises errors of the driver."""

    def serve(self, asks: Sequence[Ask]) -> Mapping[str, Answer]:
        """Take and give back, all in one step; by scope."""

    def close(self) -> None:
        """Let go of them."""


@dataclass(slots=True)
class _Purse:
    """The tokens of one scope that are here, and what is known of the others."""

    rate: Rate
    bucket: Bucket
    held: int = 0
    back: int = 0
    wanted: int = 0
    block: int = 1
    spent: int = 0
    spent_before: int = 0
    spent_since: float = -math.inf
    ask_after: float = -math.inf
    used_at: float = -math.inf

    def spend(self, count: int, now: float) -> int:
        """Spend *count*; about how many `AHEAD` seconds use."""
        if count:
            self.held -= count
            self.used_at = now
        since = now - self.spent_since
        if since >= AHEAD:
            self.spent_before = self.spent if since < 2 * AHEAD else 0
            self.spent, self.spent_since = 0, now
        self.spent += count
        return max(self.spent, self.spent_before)

    def wait(self, now: float, ahead: int = 0) -> float:
        """Seconds until one more than *ahead* are here, as far as is known."""
        missing = ahead - self.held
        if missing < 0:
            return 0.0
        there = self.bucket.filled(self.rate, now).wait(self.rate, missing)
        return max(SHORTEST, there, self.ask_after - now)

    def turn_at(self) -> float:
        """When there is something to do for it; infinite: nothing."""
        if self.back:
            return -math.inf
        if self.wanted:
            return self.ask_after
        return self.used_at + IDLE if self.held else math.inf

    def take_back(self, count: int) -> None:
        """So many were not needed: what goes beyond a block is for the others.

        Else a process would gather what it took and could not use, and start it all at
        once.
        """
        kept = max(0, min(count, self.block - self.held))
        self.held += kept
        self.back += count - kept
        self.spent = max(0, self.spent - count)


class LeasedTokens:
    """The `Tokens` of a process among others.  `close` gives back what is held."""

    def __init__(self, buckets: Buckets, monotonic: Callable[[], float]) -> None:
        self._buckets = buckets
        self._monotonic = monotonic
        self._changed = threading.Condition()
        self._purses: dict[str, _Purse] = {}
        self._busy: dict[str, _Purse] = {}
        self._stopping = False
        self._in_trouble = False
        self._on_more: Callable[[], None] = _nobody
        self._thread = threading.Thread(
            target=self._run, name="postroom-tokens", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()
        for purse in self._purses.values():
            purse.wanted, purse.used_at = 0, -math.inf
        self.turn()
        self._buckets.close()

    def listen(self, on_more: Callable[[], None]) -> None:
        """Call *on_more* when a block came."""
        self._on_more = on_more

    def take(self, scope: str, rate: Rate, want: int) -> Grant:
        """Take of what is here, and ask for more; see `Tokens.take`."""
        with self._changed:
            now = self._monotonic()
            purse = self._purse(scope, rate)
            taken = min(want, purse.held)
            ahead = purse.spend(taken, now)
            if taken < want:
                self._want(scope, purse, max(want - taken, ahead))
            elif purse.held < ahead // 4:
                self._want(scope, purse, ahead)
            return Grant(taken, purse.wait(now))

    def wait(self, scope: str, rate: Rate, ahead: int = 0) -> float:
        """How long until there is one; it is asked for.  See `Tokens.wait`."""
        with self._changed:
            purse = self._purse(scope, rate)
            if not purse.held:
                self._want(scope, purse, 1)
            return purse.wait(self._monotonic(), ahead)

    def give_back(self, scope: str, rate: Rate, count: int) -> None:
        """So many were not needed; see `Tokens.give_back`."""
        with self._changed:
            purse = self._purse(scope, rate)
            purse.take_back(count)
            self._busy[scope] = purse
            if purse.back:
                self._changed.notify_all()

    def turn(self) -> None:
        """Take and give back what is to be now."""
        asks = self._asks()
        if not asks:
            return
        try:
            answers = self._buckets.serve(asks)
        except (*DRIVER_ERRORS, PostroomError) as error:
            self._failed(asks, error)
            return
        if self._note(answers):
            self._on_more()

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._stopping:
                    return
                self._changed.wait(self._idle_for())
            try:
                self.turn()
            except Exception:  # noqa: BLE001  without this thread nothing is started
                tell("exception", "outbox.tokens_defect")
            with self._changed:
                self._changed.wait_for(lambda: self._stopping, SHORTEST)

    def _idle_for(self) -> float | None:
        at = min((p.turn_at() for p in self._busy.values()), default=math.inf)
        return None if at == math.inf else max(0.0, at - self._monotonic())

    def _purse(self, scope: str, rate: Rate) -> _Purse:
        purse = self._purses.get(scope)
        if purse is None:
            full = Bucket.full(rate, self._monotonic())
            purse = self._purses[scope] = _Purse(rate, full)
        purse.rate = rate
        return purse

    def _want(self, scope: str, purse: _Purse, count: int) -> None:
        woken = not purse.wanted
        purse.wanted = max(purse.wanted, count)
        self._busy[scope] = purse
        if woken:
            self._changed.notify_all()

    def _asks(self) -> Sequence[Ask]:
        with self._changed:
            now = self._monotonic()
            due = [(s, p) for s, p in self._busy.items() if p.turn_at() <= now]
            return [self._ask(scope, purse, now) for scope, purse in due]

    def _ask(self, scope: str, purse: _Purse, now: float) -> Ask:
        back, purse.back = purse.back, 0
        if purse.turn_at() > now:
            # Nothing but that is to be done yet.
            return Ask(scope, purse.rate, 0, purse.held, back)
        if not purse.wanted:
            back, purse.held = back + purse.held, 0
            self._busy.pop(scope)
        return Ask(scope, purse.rate, purse.wanted, purse.held, back)

    def _note(self, answers: Mapping[str, Answer]) -> bool:
        """Put what was granted into the purses; whether that is anything."""
        with self._changed:
            self._in_trouble = False
            now = self._monotonic()
            for scope, answer in answers.items():
                purse = self._purses[scope]
                purse.bucket, purse.block = Bucket(answer.left, now), answer.block
                purse.held += answer.granted
                if answer.granted:
                    purse.used_at = now
                # Who has some asks for more when it needs more.
                if purse.held:
                    purse.wanted = 0
                elif purse.wanted:
                    purse.ask_after = now + _pause(purse, answer)
        return any(answer.granted for answer in answers.values())

    def _failed(self, asks: Sequence[Ask], error: Exception) -> None:
        """Nobody knows what was taken: it counts as taken, and is not here."""
        with self._changed:
            told, self._in_trouble = self._in_trouble, True
            for ask in asks:
                self._purses[ask.scope].ask_after = self._monotonic() + TROUBLE
        if not told:
            tell("warning", "outbox.tokens_away", error=str(error))


def _pause(purse: _Purse, answer: Answer) -> float:
    """Until the next token is there; the more wait for it, the more they spread."""
    there = max(SHORTEST, purse.bucket.wait(purse.rate))
    return there + min(SPREAD, there * (answer.processes - 1)) * _chance.random()


def _nobody() -> None:
    """Nobody listens yet."""
