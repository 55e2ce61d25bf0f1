"""pytest's fixtures `postroom` and `postroom_server`.

pytest imports this module whenever the client is installed: nothing else is imported
before a test asks for a fixture.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from postroom.testing import PostroomDouble


def pytest_addoption(parser: pytest.Parser) -> None:
    """What the fixtures can be told by pytest's own settings."""
    parser.addini(
        "postroom_environ",
        "The name of a variable that holds the target of the test's Postroom.",
        default="",
    )


@pytest.fixture(scope="session")
def postroom_server(pytestconfig: pytest.Config) -> Iterator[PostroomDouble]:
    """One `PostroomDouble` for all tests of this process, at one address.

    Override it to give it settings.
    """
    from postroom.testing import PostroomDouble

    with PostroomDouble(environ=pytestconfig.getini("postroom_environ")) as double:
        yield double


@pytest.fixture
def postroom(postroom_server: PostroomDouble) -> Iterator[PostroomDouble]:
    """`postroom_server`, as new for this test: no mail, no trouble, nothing waiting."""
    postroom_server.reset()
    yield postroom_server
    # A relay that hangs for the test would hold up the next one.
    postroom_server.relay.calm()
