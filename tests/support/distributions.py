"""The two distributions, built as `make dist` builds them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.sources import ROOT

PACKAGES = {"client": "postroom", "server": "postroom_server"}
"""Which package each folder has."""
EPOCH = "1700000000"


def build(part: str, folder: Path, *options: str, source: Path | None = None) -> None:
    """Put the sdist of *part* and the wheel made from it into *folder*.

    *options* are those of `python -m build`; *source* is another place of the tree.
    """
    where = ("--outdir", str(folder), str(source or ROOT / part))
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", *options, *where],
        env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def built_in(folder: Path, part: str, suffix: str = ".whl") -> Path:
    """The wheel, or the sdist, of *part* in *folder*."""
    (found,) = folder.glob(f"{PACKAGES[part]}-*{suffix}")
    return found
