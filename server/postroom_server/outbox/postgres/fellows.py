"""The processes of a fleet, as one of them sees the others; see `Fleet`.

What is asked is rows: `waiter` for callers who wait, `cancellation` for attempts that
are to be broken off.  Rows of processes that are gone count for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from postroom_server.domain.delivery import Delivery
from postroom_server.outbox.committer import Committer
from postroom_server.outbox.fleet import Asked, Cancel, Listener, Reaction
from postroom_server.outbox.postgres.connecting import Link
from postroom_server.outbox.postgres.news import (
    LOOK,
    news_of,
    wish_for_events,
    wish_for_news,
)
from postroom_server.outbox.postgres.node import Node
from postroom_server.outbox.readers import Readers
from postroom_server.outbox.statements import Connection, Row
from postroom_server.outbox.work import Work


class Fellows:
    """A `Fleet` on one database."""

    is_alone = False

    def __init__(self, committer: Committer, readers: Readers, node: Node) -> None:
        self._committer = committer
        self._readers = readers
        self._node = node

    def listen(self, listener: Listener) -> None:
        """Have *listener* told; see `Fleet.listen`."""
        self._node.news.listener = listener

    def is_elsewhere(self, delivery_id: str) -> bool:
        """Whether another process has it; see `Fleet.is_elsewhere`."""
        return bool(self._rows("is_elsewhere", (delivery_id, delivery_id)))

    def wait(self, delivery: Delivery, seconds: float) -> None:
        """A caller here waits for what is elsewhere; see `Fleet.wait`."""
        values = (delivery.id, delivery.tenant, seconds)
        self._committer.run(_Asking("wait_elsewhere", values))
        self._node.say(LOOK)

    def wait_no_more(self, delivery_id: str, patience: float) -> None:
        """None does any more; see `Fleet.wait_no_more`."""
        self._committer.run(_Asking("wait_no_more", (delivery_id,)), patience)
        self._node.say(LOOK)

    def patience(self, delivery_id: str) -> float | None:
        """For how long callers of others wait; see `Fleet.patience`."""
        ((seconds,),) = self._rows("patience_of_others", (delivery_id,))
        return cast("float | None", seconds)

    def want_news(self, delivery_id: str, seconds: float) -> None:
        """Have us told of the delivery; see `Fleet.want_news`."""
        self._node.say(wish_for_news(delivery_id, seconds))

    def tell(self, delivery_id: str) -> None:
        """Something became of the delivery; see `Fleet.tell`."""
        self._node.say(news_of(delivery_id))

    def watch_events(self, seconds: float) -> None:
        """Have us told of events; see `Fleet.watch_events`."""
        self._node.say(wish_for_events(seconds))

    def asked(self) -> Asked:
        """What others want of what is here; see `Fleet.asked`."""
        waits = {(str(r[0]), str(r[1])): float(str(r[2])) for r in self._rows("waits")}
        cancels = [Cancel(str(r[0]), int(str(r[1]))) for r in self._rows("cancels")]
        return Asked(waits, cancels)

    def cancel(self, delivery: Delivery) -> Reaction:
        """Have its attempt broken off elsewhere; see `Fleet.cancel`."""
        number = delivery.attempts_made
        found = self._rows("reaction", (delivery.id, number))
        if found:
            return Reaction.TOO_LATE if found[0][0] else Reaction.NONE_YET
        asking = _Asking("ask_to_cancel", (number, delivery.id))
        if not self._committer.run(asking):
            return Reaction.NOT_THERE
        self._node.say(LOOK)
        return Reaction.NONE_YET

    def refuse_cancel(self, delivery_id: str) -> None:
        """It is too late for that here; see `Fleet.refuse_cancel`."""
        self._committer.run(_Asking("refuse_cancel", (delivery_id,)))
        self.tell(delivery_id)

    def was_cancelled(self, delivery: Delivery) -> bool:
        """Whether its last attempt was to be broken off; see `Fleet.was_cancelled`."""
        return bool(self._rows("reaction", (delivery.id, delivery.attempts_made)))

    def _rows(self, name: str, values: Sequence[object] = ()) -> list[Row]:
        with self._readers.lend() as connection:
            return list(cast("Link", connection).run(name, values).fetchall())


class _Asking(Work[int]):
    """One statement; how many rows it changed."""

    def __init__(self, name: str, values: Sequence[object]) -> None:
        super().__init__()
        self._name = name
        self._values = values

    def perform(self, connection: Connection, /) -> int:
        return cast("Link", connection).run(self._name, self._values).rowcount
