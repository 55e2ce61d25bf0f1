"""The order in which a delivering thread ends one mail and sees to the next."""

from __future__ import annotations

import pytest
from postroom_server.delivery.rounds import Rounds
from postroom_server.outbox.store import Claimed

from tests.support.builders import a_content, a_delivery


class Diary:
    """A thread's steps in order."""

    def __init__(self):
        self.steps = []
        self.failing = None
        self.rounds = Rounds(self.deliver, self, self, self.commit)

    def deliver(self, _claimed, _mailing, ending):
        self.steps.append("attempt")
        ending.recorded()

    def take_up(self, _relay):
        self.steps.append("next")
        if self.failing:
            raise self.failing

    def commit(self):
        self.steps.append("commit")

    def ended(self, _delivery, *, retries):
        self.steps.append("retry's slot free" if retries else "slot free")

    def recorded(self, _relay):
        self.steps.append("recorded")


def a_claim():
    return Claimed(a_delivery(), a_content())


@pytest.mark.parametrize(
    ("retries", "free"), [(False, "slot free"), (True, "retry's slot free")]
)
def test_what_stands_is_accepted_by_the_commit_that_records_the_mail_before(
    retries, free
):
    diary = Diary()
    diary.rounds.run(a_claim(), None, retries=retries)

    assert diary.steps == ["attempt", "recorded", free, "next", "commit"]


def test_what_ended_is_recorded_though_what_stands_can_not_be_taken_up():
    diary = Diary()
    diary.failing = KeyError("a bug")
    with pytest.raises(KeyError):
        diary.rounds.run(a_claim(), None, retries=False)

    assert diary.steps[-1] == "commit"


def test_an_attempt_that_fails_for_a_bug_frees_its_slot():
    diary = Diary()
    rounds = Rounds(lambda *_: 1 / 0, diary, diary, diary.commit)
    with pytest.raises(ZeroDivisionError):
        rounds.run(a_claim(), None, retries=False)

    assert diary.steps == ["slot free", "next", "commit"]


def test_mail_that_was_not_accepted_leaves_its_slot_to_the_next():
    diary = Diary()
    diary.rounds.begin("main", lambda: None)

    assert diary.steps == ["next", "commit"]


def test_mail_without_a_slot_gives_none_back():
    diary = Diary()
    diary.rounds.here(a_claim(), None)

    assert diary.steps == ["attempt", "commit"]
