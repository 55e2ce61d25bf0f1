"""What holds for every test.

Leaked threads: a test fails if a thread that began in it lives on after it and all
its fixtures: any non-daemon thread, and every thread named "postroom-...".  The check
waits (joins) for some time, so stop what you start and needn't wait for it yourself.
Threads of fixtures of a wider scope exist before the test and are not counted; where
such a server starts further threads during a test, mark the test
`@pytest.mark.shared_threads`.

Hypothesis: no deadlines, and the blob to reproduce a failure is printed.  Set
POSTROOM_HYPOTHESIS=thorough for twenty times the examples.

Fixture `corpora`: the folder of real-world samples in POSTROOM_CORPORA; without it
the test is skipped.  Foreign programs: `tests.support.tools.require_tool`.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.support.postgres import stop_postgres
from tests.support.threads import left_behind, stacks, watched_threads

PATIENCE = 20.0

# Whoever a shell runs in the background ignores Ctrl-C, and so would the programs that
# tests start and stop with it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A loaded machine generates slowly; that says nothing about the code under test.
settings.register_profile(
    "postroom",
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "thorough", parent=settings.get_profile("postroom"), max_examples=2000
)
settings.load_profile(os.environ.get("POSTROOM_HYPOTHESIS", "postroom"))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "shared_threads: a server of a wider scope may start threads that outlive it",
    )


def pytest_sessionfinish() -> None:
    # Not at the exit of the process, which workers of a parallel run leave early.
    stop_postgres()


@pytest.fixture(autouse=True)
def no_leaked_threads(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test whose threads outlive it."""
    before = watched_threads()
    yield
    if request.node.get_closest_marker("shared_threads"):
        return
    leaked = left_behind(before, PATIENCE)
    if leaked:
        pytest.fail(f"threads left behind:\n{stacks(leaked)}", pytrace=False)


@pytest.fixture
def logged(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """Tells what was logged since it was last asked.

    A double of a wider scope, whose log is its own, may be there from other tests.
    """
    before, was_configured = structlog.get_config(), structlog.is_configured()
    structlog.reset_defaults()
    yield lambda: capsys.readouterr().out
    if was_configured:
        structlog.configure(**before)


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder of real-world samples."""
    folder = os.environ.get("POSTROOM_CORPORA", "")
    if not folder:
        pytest.skip("POSTROOM_CORPORA names no folder of samples")
    return Path(folder)
