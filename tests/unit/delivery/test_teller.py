"""Who brings news of posted mail tells its caller, once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from postroom_server.delivery.posted import Posted, Stage
from postroom_server.delivery.teller import Teller
from postroom_server.delivery.waits import News, WaitRoom

from tests.support.deliveries import under_way

PATIENCE = 20.0


class Desk:
    """A posted mail at *stage*, and what became of it."""

    def __init__(self, stage=Stage.WAITING):
        self.room = WaitRoom(8)
        self.told, self.heard, self.seen = [], [], []
        self.teller = Teller(self.room, self.heard.append, self.see)
        self.delivery = under_way()
        self.posted = Posted(None, self.told.append, b"", None, (), stage)
        self.posted.given(self.delivery)
        self.posted.wait = self.room.enter(
            self.delivery.id,
            "main",
            1090.0,
            bell=lambda: self.teller.ring(self.posted),
        )

    def see(self, posted):
        self.seen.append(posted.stage)

    def post(self, *, answers_now=True):
        self.room.post(News(self.delivery, answers_now))


@pytest.mark.parametrize("stage", [Stage.WAITING, Stage.BEGUN])
def test_the_thread_that_hears_finds_it_answered_and_keeps_no_time_for_it(stage):
    desk = Desk(stage)
    desk.post()

    assert [one.delivery for one in desk.told] == [desk.delivery]
    assert desk.seen == [Stage.ANSWERED]
    assert not desk.heard
    assert desk.room.count("main") == 0


@pytest.mark.parametrize("stage", [Stage.STORING, Stage.LOOKED_AT, Stage.STANDING])
def test_mail_that_another_has_is_told_of_by_the_thread_that_hears(stage):
    desk = Desk(stage)
    desk.post()

    assert (desk.told, desk.heard) == ([], [desk.posted])


def test_of_many_who_bring_news_at_once_one_tells():
    desk, together = Desk(), threading.Barrier(8)

    def bring():
        together.wait(PATIENCE)
        desk.post()

    with ThreadPoolExecutor(8) as pool:
        for brought in [pool.submit(bring) for _ in range(8)]:
            brought.result(PATIENCE)

    assert len(desk.told) == 1
