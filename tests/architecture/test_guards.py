"""The guards of the suite itself can fail."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.threads import left_behind, stacks, watched_threads
from tests.support.tools import require_tool


@pytest.mark.parametrize(
    ("name", "daemon"), [("postroom-worker", True), ("anything", False)]
)
def test_a_thread_left_behind_is_found_and_shown(name, daemon):
    before = watched_threads()
    release = threading.Event()
    thread = threading.Thread(target=release.wait, args=(10,), name=name, daemon=daemon)
    thread.start()
    leaked = left_behind(before, 0.01)
    shown = stacks(leaked)
    release.set()
    thread.join(10)

    assert leaked == [thread]
    assert name in shown
    assert left_behind(before, 0.01) == []


def test_foreign_daemons_may_stay():
    before = watched_threads()
    release = threading.Event()
    thread = threading.Thread(target=release.wait, args=(10,), daemon=True)
    thread.start()
    leaked = left_behind(before, 0.01)
    release.set()
    thread.join(10)

    assert leaked == []


@given(st.integers())
def test_property_tests_run_under_the_guards(number):
    assert number == number + 0


def test_a_tool_that_is_there_is_found():
    assert require_tool("sh").endswith("/sh")


def test_a_missing_tool_skips(monkeypatch):
    monkeypatch.delenv("POSTROOM_REQUIRE_TOOLS", raising=False)

    with pytest.raises(pytest.skip.Exception):
        require_tool("no-such-program-anywhere")


def test_a_missing_tool_fails_where_tools_are_required(monkeypatch):
    monkeypatch.setenv("POSTROOM_REQUIRE_TOOLS", "1")

    with pytest.raises(pytest.fail.Exception):
        require_tool("no-such-program-anywhere")
