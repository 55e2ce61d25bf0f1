"""What `benchmarks.staged` measures is there: it names functions of ours in texts."""

from __future__ import annotations

import pytest

from benchmarks.staged import STAGES, found


@pytest.mark.parametrize(
    "place", [place for places in STAGES.values() for place in places]
)
def test_each_place_of_a_stage_is_a_function(place: str) -> None:
    owner, name = found(place)

    assert callable(getattr(owner, name, None)), f"{place} has gone or was renamed"
