from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.certificates import authority_file


@pytest.fixture(scope="session")
def ca_file() -> Iterator[str]:
    """What the clients of well-run relays trust."""
    with authority_file() as path:
        yield path
