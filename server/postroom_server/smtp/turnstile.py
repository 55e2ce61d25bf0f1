"""One connection after the other: no more are opened than a relay allows.

Whoever may open one waits here for leave, holding a seat of that relay's pool and
nothing else.  The engine looks ahead, so that this is rare: it is for connections that
take the place of dead ones.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from postroom_server.domain.attempt import Phase
from postroom_server.smtp.errors import PoolTimeout
from postroom_server.smtp.pool import Opener
from postroom_server.smtp.session import Session
from postroom_server.smtp.timeouts import DeadlineSource, Wait

Leave = Callable[[], float]
"""Takes leave to open one: 0 when it may be opened, or seconds until asking again."""


def paced(opener: Opener, leave: Leave, most: float) -> Opener:
    """*opener*, but with *leave* for each; it waits *most* seconds for that."""

    def opened(deadline: DeadlineSource) -> Session:
        _await_leave(leave, Wait(most, deadline))
        return opener(deadline)

    return opened


def _await_leave(leave: Leave, wait: Wait) -> None:
    nothing = threading.Event()
    while (pause := leave()) > 0:
        if pause >= wait.remaining():
            detail = "no further connection may be opened in time"
            raise PoolTimeout(Phase.POOL, wait.reason, detail)
        # Looks again now and then: the pool may be closed meanwhile.
        nothing.wait(min(pause, wait.pause()))
