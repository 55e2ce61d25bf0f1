"""Why a relay is as it is, in the words of `postroom relay list`."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from postroom.cli.relay import _why


@pytest.mark.parametrize(
    ("failures", "told"),
    [(0, ""), (1, "1 failure"), (2, "2 failures in a row")],
)
def test_failures_are_counted_in_words(failures, told):
    condition = SimpleNamespace(pause=None, resumes_in=0, failures=failures)

    assert _why(SimpleNamespace(condition=condition)) == told
