"""Every reason that a caller can meet has a cause and a remedy on the page."""

from __future__ import annotations

import re

import pytest
from postroom.v1 import attempt_pb2, error_reason_pb2

from tests.support.sources import ROOT

PAGE = (ROOT / "docs/operations/troubleshooting.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `([A-Z_]+)` \| (.+) \| (.+) \|$", re.MULTILINE)
TABLES = [
    ("## A call is refused", "ERROR_REASON_", error_reason_pb2.ErrorReason),
    ("## A mail is not delivered", "FAILURE_REASON_", attempt_pb2.FailureReason),
]


def rows(heading: str) -> list[tuple[str, str, str]]:
    return ROW.findall(PAGE.partition(heading + "\n")[2].partition("\n## ")[0])


@pytest.mark.parametrize(("heading", "prefix", "enum"), TABLES)
def test_the_page_has_every_reason_and_no_other(heading, prefix, enum):
    first, *names = (value.name for value in enum.DESCRIPTOR.values)

    assert first == f"{prefix}UNSPECIFIED"
    assert [f"{prefix}{reason}" for reason, _, _ in rows(heading)] == names


@pytest.mark.parametrize(("heading", "prefix", "enum"), TABLES)
def test_each_has_a_cause_and_a_remedy(heading, prefix, enum):
    del prefix, enum

    assert [r for r, cause, remedy in rows(heading) if not (cause and remedy)] == []
