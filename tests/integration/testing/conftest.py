from __future__ import annotations

from collections.abc import Iterator

import pytest
from postroom.testing import PostroomDouble


@pytest.fixture
def postroom() -> Iterator[PostroomDouble]:
    """A double for one test; the product's own fixture is tested apart."""
    with PostroomDouble() as double:
        yield double


@pytest.fixture
def send(postroom):
    """Sends a plain mail; fields replace its own."""

    def sending(to="ada@example.com", **fields):
        mail = {"subject": "Hello", "text": "It works.", **fields}
        return postroom.client().send(to=to, **mail)

    return sending
