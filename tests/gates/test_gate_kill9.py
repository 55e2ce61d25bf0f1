"""`kill -9` at any moment: nothing accepted is lost, and nothing goes twice unsaid.

The oracle is the record of the relay, a process of its own that is not killed.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import pytest

from tests.gates.figures import FULL, figure
from tests.gates.hurried import POINTS as INSIDE
from tests.gates.trial import LONG, Trial
from tests.support.postgres import postgres
from tests.support.relays import ALL_EXTENSIONS

pytestmark = [pytest.mark.gate, pytest.mark.timeout(3600)]

DOTS = tuple(word for word in ALL_EXTENSIONS if word != "CHUNKING")
IN_CONTENT = "after DATA"
AT_THE_START = ("connected", "before GREETING", "before EHLO")
POINTS = {
    ALL_EXTENSIONS: (
        *(*AT_THE_START, "before MAIL", "after MAIL"),
        *("before RCPT", "after RCPT", "before BODY", "after BODY"),
    ),
    DOTS: ("before MAIL", "after RCPT", "before DATA", IN_CONTENT, "before BODY"),
}
FLEETS = {"file": ("", 1), "shared": ("postgres", 1), "shared by four": ("postgres", 4)}


@pytest.fixture(params=FLEETS.values(), ids=FLEETS)
def fleet(request) -> tuple[int, str]:
    """How many processes, and the address of their store."""
    store, size = request.param
    return size, postgres().fresh() if store else ""


def some_of(points: Sequence[str], size: int) -> Iterator[tuple[str, int]]:
    """Points, and after how many passes; each start of four takes its time."""
    for _ in range(figure(1, 20)):
        chosen = points if FULL or size == 1 else random.sample(points, 3)
        for point in chosen:
            rare = point in AT_THE_START or point == IN_CONTENT
            yield point, random.randrange(2 if rare else 30 // size)


@pytest.mark.parametrize("extensions", POINTS, ids=["chunking", "dots"])
def test_killed_at_each_step_of_a_dialogue_it_loses_and_hides_nothing(
    tmp_path, fleet, extensions
):
    with Trial(tmp_path, extensions, *fleet) as trial:
        for point, passes in some_of(POINTS[extensions], fleet[0]):
            text = LONG if point == IN_CONTENT else "x"
            trial.kill_in_dialogue(point, passes, text)
        wrong = trial.verdict()

    assert not wrong, "\n".join(wrong)
    assert trial.accepted


def test_killed_at_each_step_of_its_own_work_it_loses_and_hides_nothing(
    tmp_path, fleet
):
    with Trial(tmp_path, ALL_EXTENSIONS, *fleet) as trial:
        for point, passes in some_of(INSIDE, fleet[0]):
            trial.kill_inside(point, passes)
        wrong = trial.verdict()

    assert not wrong, "\n".join(wrong)
    assert trial.accepted


def test_killed_at_any_time_it_loses_and_hides_nothing(tmp_path, fleet):
    with Trial(tmp_path, ALL_EXTENSIONS, *fleet) as trial:
        for _ in range(figure(8 if fleet[0] == 1 else 3, 360)):
            trial.kill_at_random()
        wrong = trial.verdict()

    assert not wrong, "\n".join(wrong)
    assert trial.accepted
