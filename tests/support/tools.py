"""Foreign programs that some tests need: present, or skipped, or missed loudly.

`make test` runs anywhere and skips what it can't run.  Where POSTROOM_REQUIRE_TOOLS
is 1, as in CI, a missing program fails the test instead, so that a skip can't hide.

    path = require_tool("grpcurl")
    subprocess.run([path, ...], check=True, timeout=10)
"""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def require_tool(name: str) -> str:
    """The path of the program *name*; without it the test is skipped, or fails."""
    found = shutil.which(name)
    if found is None:
        miss(f"{name} is not on the PATH")
    return found


def miss(reason: str) -> NoReturn:
    """Skip the test for *reason*, or fail it where nothing may be missing."""
    if os.environ.get("POSTROOM_REQUIRE_TOOLS") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
