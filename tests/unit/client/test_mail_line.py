"""A stream of mails, and what is left of it when it is over."""

from __future__ import annotations

import threading
from queue import SimpleQueue

from postroom._mail_line import Ended, MailLine

PATIENCE = 10.0


def test_nothing_goes_on_reading_the_mails_of_a_stream_that_ended():
    told, given = SimpleQueue(), SimpleQueue()

    def method(items, metadata):
        given.put(items)
        return iter(())

    MailLine(method, (), told.put)
    # As gRPC's own thread does.
    reads = threading.Thread(target=list, args=(given.get(timeout=PATIENCE),))
    reads.daemon = True
    reads.start()

    assert isinstance(told.get(timeout=PATIENCE)[1], Ended)
    reads.join(PATIENCE)
    assert not reads.is_alive()
