from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom.cli.sparkline import BARS, sparkline


@pytest.mark.parametrize(
    ("values", "top", "line"),
    [
        ([], None, ""),
        ([0, 0], None, "▁▁"),
        ([0, 1, 2, 3, 4, 5, 6, 7], None, "▁▂▃▄▅▆▇█"),
        ([1, None, 1], None, "█ █"),
        ([0.5, 1.0], 1.0, "▅█"),
        ([None], None, " "),
    ],
)
def test_a_course_is_a_line_of_bars(values, top, line):
    assert sparkline(values, top) == line


@given(st.lists(st.none() | st.floats(0, 1e300)))
def test_any_course_has_a_bar_for_each_value(values):
    line = sparkline(values)

    assert len(line) == len(values)
    assert set(line) <= {*BARS, " "}
