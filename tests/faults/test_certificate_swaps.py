"""A certificate that changes while connections come in does not end the process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# It starts processes, which a loaded machine does slowly.
pytestmark = pytest.mark.timeout(180)

ROOT = Path(__file__).parents[2]
CHILD = Path(__file__).with_name("certificates_child.py")


def test_no_handshake_is_left_without_its_certificate(tmp_path):
    child = subprocess.run(
        [sys.executable, CHILD, tmp_path, "4"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )

    assert child.returncode == 0, child.stderr[-2000:]
    assert "alive after" in child.stdout
