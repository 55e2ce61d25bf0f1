from __future__ import annotations

import threading

from postroom_server.rpc.health import (
    NOT_SERVING,
    SERVICE_UNKNOWN,
    SERVING,
    HealthBoard,
)


def test_the_process_itself_serves_from_the_start():
    assert HealthBoard().statuses() == {"": SERVING}


def test_what_was_never_set_is_unknown():
    assert HealthBoard().status("relays/x") == SERVICE_UNKNOWN


def test_draining_is_for_good_and_for_all():
    board = HealthBoard()
    board.set("relays/x", True)
    board.drain()
    board.set("relays/x", True)
    board.set("relays/y", True)

    assert board.statuses() == {"": NOT_SERVING, "relays/x": NOT_SERVING}


def test_a_watcher_hears_the_latest_value_only():
    board = HealthBoard()
    for serving in (True, False, True, False):
        board.set("x", serving)

    assert board.await_change("x", SERVING, lambda: False) == NOT_SERVING


def test_a_watcher_waits_for_a_change():
    board = HealthBoard()
    told = []
    watcher = threading.Thread(
        target=lambda: told.append(board.await_change("", SERVING, lambda: False))
    )
    watcher.start()
    board.set("other", False)
    board.set("", False)
    watcher.join(20)

    assert told == [NOT_SERVING]


def test_a_watcher_that_left_is_let_go():
    board = HealthBoard()
    left = threading.Event()
    watcher = threading.Thread(
        target=board.await_change, args=("", SERVING, left.is_set)
    )
    watcher.start()
    left.set()
    board.wake()
    watcher.join(20)

    assert not watcher.is_alive()
