from __future__ import annotations

from postroom_server.rpc.streams import OpenStreams


class Stream:
    def __init__(self):
        self.cancelled = False

    def cancel(self):
        self.cancelled = True


def test_closing_cancels_what_is_open_and_only_that():
    streams, done, still = OpenStreams(), Stream(), Stream()
    with streams.held(done):
        pass
    with streams.held(still):
        streams.close()

    assert (done.cancelled, still.cancelled) == (False, True)
    assert len(streams) == 0


def test_what_is_opened_after_closing_is_cancelled():
    streams, late = OpenStreams(), Stream()
    streams.close()
    with streams.held(late):
        assert late.cancelled
