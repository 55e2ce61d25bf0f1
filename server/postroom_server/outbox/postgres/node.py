"""A process among the others: its name, its lease, and what it tells them.

All attempts of a process are leased together: it is believed to live until a time that
it keeps moving ("postroom-lease").  One that does not, because it stands still or can't
reach the database, is gone for the others: they settle what it had under way, and it
must not write an end of data any more.  For that it keeps a time of its own, on its
monotonic clock and earlier than theirs.  Coming back, it takes a new name.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from postroom_server.outbox.errors import DRIVER_ERRORS
from postroom_server.outbox.migrating import CURRENT
from postroom_server.outbox.postgres.connecting import Link
from postroom_server.outbox.postgres.news import News
from postroom_server.outbox.telling import tell
from postroom_server.outbox.work import Work


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseSettings:
    """Seconds: how long a lease is, how often it is moved, how much earlier we stop.

    *told_every*: others hear of what is due at most so often.
    """

    length: float = 30.0
    renewed_every: float = 5.0
    margin: float = 5.0
    told_every: float = 0.05


MOST_WORDS = 5000
"""Words that wait to be told, at most."""
_MOST_OCTETS = 7000
"""Of one notice; PostgreSQL takes less than 8000."""


def batched(words: Iterable[str]) -> Iterator[str]:
    """*words* in as many texts as they need, a line each."""
    lines: list[str] = []
    size = 0
    for line in words:
        if size + len(line) >= _MOST_OCTETS:
            yield "\n".join(lines)
            lines, size = [], 0
        lines.append(line)
        size += len(line) + 1
    if lines:
        yield "\n".join(lines)


def instance_of(owner: str) -> str:
    """The process that had the name *owner*, whichever of its names that is."""
    return owner.rpartition("/")[2].partition(".")[0]


def _elapsed() -> float:
    # The one clock that goes on while the machine sleeps, as the database's does.
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Node:
    """Who we are.  `start` begins to keep the lease, `close` gives it back.

    *connect* makes a connection that acts in the name it is given.
    """

    def __init__(
        self, connect: Callable[[Callable[[], str]], Link], settings: LeaseSettings
    ) -> None:
        self._connect = connect
        self._settings = settings
        self._mutex = threading.Lock()
        self._wanted = threading.Event()
        self._stop = threading.Event()
        self._relays: set[str] = set()
        self._words: dict[str, None] = {}
        self.news = News()
        self._deadline = 0.0
        self._renewed_at = 0.0
        self._link: Link | None = None
        self.owner = ""
        self.instance = secrets.token_hex(6)
        self._lives = 0
        self.was_lost = False
        self._thread = threading.Thread(
            target=self._run, name="postroom-lease", daemon=True
        )

    def start(self) -> None:
        """Be there for the others, from now on.  Raises `DatabaseTrouble`."""
        self._link = link = self._connect(self.name)
        self._register(link)
        self._thread.start()

    def name(self) -> str:
        """Whom we act as."""
        return self.owner

    @property
    def is_live(self) -> bool:
        """Whether what we have under way is ours still, for a while."""
        return _elapsed() < self._deadline

    def tell_of(self, works: Iterable[Work[Any]]) -> None:
        """Other processes are to hear of what became due; soon, and many at once."""
        works = tuple(works)
        relays = {str(row[1]) for work in works for row in work.rows.get("put_due", ())}
        if relays:
            with self._mutex:
                self._relays |= relays
            self._wanted.set()
        for words in self.news.of(works):
            self.say(words)

    def say(self, words: str) -> None:
        """Other processes are to hear *words*, soon; of too many some are lost."""
        with self._mutex:
            if len(self._words) < MOST_WORDS:
                self._words[words] = None
        self._wanted.set()

    def close(self) -> None:
        """Be gone: what is under way is for the others."""
        self._stop.set()
        self._wanted.set()
        if self._thread.is_alive():
            self._thread.join()
        self._deadline = 0.0
        if self._link is not None:
            with suppress(*DRIVER_ERRORS):
                self._link.run("deregister", (self.owner,))
            self._link.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            due_in = self._renewed_at + self._settings.renewed_every - _elapsed()
            self._wanted.wait(max(0.0, due_in))
            self._wanted.clear()
            if not self._stop.is_set():
                self._turn()
                self._stop.wait(self._settings.told_every)

    def _turn(self) -> None:
        try:
            link = self._link = self._link or self._connect(self.name)
            # Before all words: a database that takes none may still keep the lease.
            if _elapsed() >= self._renewed_at + self._settings.renewed_every:
                self._renew(link)
            self._tell(link)
        except DRIVER_ERRORS as error:
            tell("warning", "outbox.lease_not_renewed", error=str(error))
            link_gone, self._link = self._link, None
            if link_gone is not None:
                link_gone.close()
            self._stop.wait(1.0)
        except Exception:  # noqa: BLE001  without this thread all leases end
            tell("exception", "outbox.lease_defect")
            self._stop.wait(1.0)

    def _tell(self, link: Link) -> None:
        with self._mutex:
            relays, self._relays = self._relays, set()
            words, self._words = list(self._words), {}
        for relay in sorted(relays):
            link.run("notify_due", (f"{self.owner} {relay}",))
        for together in batched(words):
            link.run("notify_news", (f"{self.owner}\n{together}",))

    def _renew(self, link: Link) -> None:
        asked_at = _elapsed()
        values = (self._settings.length, self.owner)
        link.run("seen")
        if link.run("renew", values).rowcount:
            self._lives_since(asked_at)
            return
        tell("error", "outbox.lease_lost", owner=self.owner)
        self._deadline = 0.0
        self.was_lost = True
        self._register(link)

    def _register(self, link: Link) -> None:
        asked_at = _elapsed()
        self._lives += 1
        name = f"{self.instance}.{self._lives}"
        owner = f"{os.uname().nodename}/{os.getpid()}/{name}"
        link.run("register", (owner, self._settings.length, CURRENT.newest))
        self.owner = owner
        self._lives_since(asked_at)

    def _lives_since(self, asked_at: float) -> None:
        self._renewed_at = asked_at
        self._deadline = asked_at + self._settings.length - self._settings.margin
