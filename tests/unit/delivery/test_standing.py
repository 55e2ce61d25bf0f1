from __future__ import annotations

import pytest
from postroom_server.delivery import standing as module
from postroom_server.delivery.dispatcher import Slot
from postroom_server.delivery.posted import Posted
from postroom_server.delivery.standing import (
    MOST,
    MOST_OCTETS,
    MOST_OF_ALL,
    SMALL,
    STAND,
    Standing,
)
from postroom_server.delivery.waits import Wait
from postroom_server.domain.clock import after
from postroom_server.domain.submission import Priority

from tests.support.builders import a_delivery, a_plan
from tests.support.clocks import FakeClock

MINUTE = 60.0


class Slots:
    """A dispatcher with so many slots of each relay, which may refuse them."""

    def __init__(self, free=0):
        self.free = free
        self.others_wait = False
        self.asked_last = []

    def slot(self, _relay, _tenant, *, last=False):
        self.asked_last.append(last)
        if self.others_wait:
            return Slot.REFUSED
        self.free -= 1
        return Slot.FULL if self.free < 0 else Slot.TAKEN


class Line:
    """What stands, and the slots that it stands for."""

    def __init__(self, free=0, *, shared=False):
        self.clock = FakeClock()
        self.slots = Slots(free)
        self.standing = Standing(self.slots, self.clock, shared=shared)

    def enter(self, *, patience=MINUTE, **fields):
        """A mail, and what it got."""
        expiry = after(self.clock.now(), MINUTE)
        delivery = a_delivery(**{"expire_at": expiry, **fields})
        posted = Posted(None, None, b"", None, ())
        posted._delivery = delivery
        limit = self.clock.monotonic() + patience
        posted.wait = Wait(delivery.id, delivery.relay, limit)
        return posted, self.standing.enter(posted)

    def following(self):
        self.slots.free = 1
        return self.standing.following("main")


def test_who_finds_a_slot_does_not_stand():
    line = Line(free=1)

    _, slot = line.enter()

    assert slot is Slot.TAKEN
    assert not line.standing


def test_mail_stands_in_the_order_in_which_it_came():
    line = Line()
    mails = [line.enter()[0] for _ in range(3)]

    taken = [line.following()[0] for _ in range(4)]

    assert taken == [*mails, None]
    assert not line.standing


def test_nobody_passes_by_what_stands():
    line = Line()
    line.enter()
    line.slots.free = 1

    _, slot = line.enter()

    assert slot is Slot.FULL


def test_what_stands_lets_retries_that_are_due_go_first():
    line = Line()
    line.enter()
    line.following()

    assert line.slots.asked_last == [False, True]


def test_all_that_stands_is_stored_when_other_mail_waits():
    line = Line()
    mails = [line.enter()[0] for _ in range(3)]
    line.slots.others_wait = True

    posted, others = line.standing.following("main")

    assert posted is None
    assert list(others) == mails
    assert not line.standing


@pytest.mark.parametrize(
    "other",
    [
        {"tenant": "acme"},
        {"plan": a_plan(priority=Priority.URGENT)},
        {"size_bytes": SMALL + 1},
        {"patience": 2 * STAND},
        {"expire_at": after(FakeClock().now(), STAND)},
    ],
    ids=["another tenant", "another priority", "large", "impatient", "expires soon"],
)
def test_only_small_and_patient_mail_of_one_lane_stands(other):
    line = Line()
    line.enter()

    _, slot = line.enter(**other)

    assert slot is Slot.REFUSED


def test_nothing_stands_where_other_processes_have_slots():
    assert Line(shared=True).enter()[1] is Slot.REFUSED


def test_few_mails_stand():
    line = Line()
    slots = [line.enter()[1] for _ in range(MOST + 1)]

    assert slots == [*[Slot.FULL] * MOST, Slot.REFUSED]


def test_few_octets_stand_and_whoever_leaves_makes_room():
    line = Line()
    count = MOST_OCTETS // SMALL
    first, *_ = [line.enter(size_bytes=SMALL)[0] for _ in range(count)]
    refused = line.enter(size_bytes=SMALL)[1]

    assert line.standing.remove(first)
    assert refused is Slot.REFUSED
    assert line.enter(size_bytes=SMALL)[1] is Slot.FULL


RELAYS = [f"r{n}" for n in range(200)]


def filled(line, relays=RELAYS):
    """How many octets stand for each, where each gets what it can."""
    stands = dict.fromkeys(relays, 0)
    for _ in range(MOST_OCTETS // SMALL):
        for relay in relays:
            slot = line.enter(relay=relay, size_bytes=SMALL)[1]
            stands[relay] += SMALL * (slot is Slot.FULL)
    return stands


def test_the_octets_of_all_relays_are_bounded_and_each_has_a_part():
    stands = filled(Line())

    assert sum(stands.values()) <= MOST_OF_ALL
    assert min(stands.values()) >= SMALL
    assert max(stands.values()) <= MOST_OF_ALL // 10


def test_few_relays_with_long_lines_leave_room_for_others():
    line = Line()
    filled(line, RELAYS[:30])

    assert line.enter(relay="another", size_bytes=SMALL)[1] is Slot.FULL


@pytest.mark.parametrize("way", ["taken up", "removed", "late", "stored"])
def test_whatever_stands_no_more_makes_room_for_all(monkeypatch, way):
    monkeypatch.setattr(module, "MOST_OF_ALL", SMALL)
    line = Line()
    mail, _ = line.enter(size_bytes=SMALL)
    assert line.enter(relay="other", size_bytes=SMALL)[1] is Slot.REFUSED
    if way == "taken up":
        line.following()
    elif way == "removed":
        line.standing.remove(mail)
    elif way == "late":
        line.clock.advance(2 * STAND)
        line.standing.late()
    else:
        line.slots.others_wait = True
        line.standing.following("main")
        line.slots.others_wait = False
    line.slots.free = 0

    assert line.enter(relay="other", size_bytes=SMALL)[1] is Slot.FULL


def test_who_was_taken_out_cannot_be_taken_out_again():
    line = Line()
    mail, _ = line.enter()
    line.following()

    assert not line.standing.remove(mail)


def test_what_stood_too_long_stands_no_more_nor_what_came_after():
    line = Line()
    mails = [line.enter()[0]]
    line.clock.advance(module.STAND)
    mails.append(line.enter()[0])
    in_time = line.standing.late()
    line.clock.advance(0.001)

    assert in_time == []
    assert line.standing.late() == mails
    assert not line.standing
