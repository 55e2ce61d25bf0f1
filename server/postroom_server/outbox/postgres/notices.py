"""What other processes tell ("postroom-listen"): mail became due, and `News`.

Only a hint, and it may be lost; whoever listens looks at the store now and then anyway.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import psycopg

from postroom_server.outbox.errors import DRIVER_ERRORS
from postroom_server.outbox.postgres.connecting import Link
from postroom_server.outbox.postgres.node import Node
from postroom_server.outbox.telling import tell

PAUSE = 1.0
"""Seconds until a lost connection is made again, and until a stop is seen."""


class Notices:
    """Listens, and calls *on_due* with the id of each relay that was told of.

    *listening* is set while what is told is heard.
    """

    def __init__(self, connect: Callable[[], Link], node: Node) -> None:
        self._connect = connect
        self._name = node.name
        self._news = node.news
        self._stop = threading.Event()
        self.listening = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="postroom-listen", daemon=True
        )
        self.on_due: Callable[[str], None] | None = None

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                link = self._connect()
            except DRIVER_ERRORS:
                self._stop.wait(PAUSE)
                continue
            try:
                self._listen(link)
            except psycopg.Error:
                self._stop.wait(PAUSE)
            except Exception:  # noqa: BLE001  what a listener does must not end this
                tell("exception", "outbox.listener_failed")
                self._stop.wait(PAUSE)
            finally:
                self.listening.clear()
                link.close()

    def _listen(self, link: Link) -> None:
        link.raw.execute("LISTEN postroom_due")
        link.raw.execute("LISTEN postroom_news")
        self.listening.set()
        while not self._stop.is_set():
            for notice in link.raw.notifies(timeout=PAUSE / 4):
                self._take(notice)
                if self._stop.is_set():
                    return

    def _take(self, notice: psycopg.Notify) -> None:
        if notice.channel == "postroom_news":
            owner, *lines = notice.payload.split("\n")
            for words in lines if owner != self._name() else ():
                self._news.take(words)
            return
        owner, _, relay = notice.payload.partition(" ")
        if owner != self._name() and self.on_due is not None:
            self.on_due(relay)
