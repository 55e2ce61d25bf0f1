"""The order in which a delivering thread ends one mail and begins the next."""

from __future__ import annotations

import pytest
from postroom_server.delivery.rounds import Rounds
from postroom_server.outbox.store import Claimed

from tests.support.builders import a_content, a_delivery


class Diary:
    """A thread's steps in order; *standing* mails stand for its relay."""

    def __init__(self, standing=0):
        self.steps = []
        self.standing = standing
        self.failing = None
        self.tried_once = []

    def deliver(self, claimed, _mailing):
        self.steps.append("attempt")
        return lambda: self.steps.append("stored")

    def stands(self, _relay):
        return self.standing > 0

    def take_up(self, _relay, *, once=False):
        self.tried_once.append(once)
        if self.failing:
            raise self.failing
        if not self.standing:
            return None
        self.standing -= 1
        self.steps.append("accepted")
        return a_claim(), None

    def ended(self, _delivery, *, retries, recorded):
        self.steps.append("slot free" if recorded else "slot free, not stored")

    def recorded(self, _relay):
        self.steps.append("recorded")


def a_claim():
    return Claimed(a_delivery(), a_content())


def run(diary):
    Rounds(diary.deliver, diary, diary).run(a_claim(), None, retries=False)


def test_alone_it_is_recorded_before_its_slot_is_free():
    diary = Diary()
    run(diary)

    assert diary.steps == ["attempt", "stored", "slot free"]


def test_what_stands_is_accepted_before_the_record_is_waited_for():
    diary = Diary(standing=1)
    run(diary)

    assert diary.steps == [
        *("attempt", "slot free, not stored", "accepted", "stored", "recorded"),
        *("attempt", "stored", "slot free"),
    ]


def test_the_record_waits_for_one_mail_at_most_and_not_for_all_that_is_refused():
    diary = Diary(standing=1)
    run(diary)

    # Before the record of the first; after that of the second, which is alone.
    assert diary.tried_once == [True, False]


def test_what_ended_is_recorded_though_what_stands_can_not_be_taken_up():
    diary = Diary(standing=1)
    diary.failing = KeyError("a bug")
    with pytest.raises(KeyError):
        run(diary)

    assert diary.steps[-2:] == ["stored", "recorded"]


def test_an_attempt_that_fails_for_a_bug_frees_its_slot():
    diary = Diary()
    rounds = Rounds(lambda *_: 1 / 0, diary, diary)
    with pytest.raises(ZeroDivisionError):
        rounds.run(a_claim(), None, retries=False)

    assert diary.steps == ["slot free"]


def test_what_stands_without_a_mail_before_it_is_delivered():
    diary = Diary(standing=2)
    Rounds(diary.deliver, diary, diary).take_up("main")

    assert diary.steps.count("attempt") == 2
