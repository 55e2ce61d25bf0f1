from __future__ import annotations

from contextlib import ExitStack

from postroom_server.rpc.windows import Windows


def test_a_stream_alone_has_all_that_one_may():
    windows = Windows(together=100, each=30)

    with windows.opened(list):
        assert windows.size == 30


def test_streams_share_and_are_told_of_every_change():
    windows, told = Windows(together=100, each=60), []
    with ExitStack() as first:
        first.enter_context(windows.opened(lambda: told.append(windows.size)))
        with windows.opened(list), windows.opened(list):
            assert windows.size == 33
    assert windows.size == 60
    assert told == [50, 33, 50, 60]


def test_every_stream_has_a_place_however_many_there_are():
    windows = Windows(together=2, each=2)
    with ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(windows.opened(list))

        assert windows.size == 1
