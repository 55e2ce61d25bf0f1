"""Users of pyright see the types that users of mypy see."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.parametrize("name", ["api.py", "testing_api.py"])
def test_pyright_finds_the_errors_that_are_meant_and_no_others(
    tmp_path: Path, name: str
) -> None:
    api = HERE / name
    beside = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    pyright = shutil.which("pyright") or shutil.which("basedpyright", path=beside)
    if pyright is None:
        pytest.skip("neither pyright nor basedpyright is on the PATH")
    settings = tmp_path / "pyrightconfig.json"
    checked = {
        "include": [str(api)],
        "enableTypeIgnoreComments": False,
        "typeCheckingMode": "standard",
    }
    settings.write_text(json.dumps(checked))
    ended = subprocess.run(
        [pyright, "--outputjson", "--pythonpath", sys.executable, "-p", str(settings)],
        check=False,
        capture_output=True,
        text=True,
        timeout=50,
    )
    found = json.loads(ended.stdout)["generalDiagnostics"]
    errors = [trouble for trouble in found if trouble["severity"] == "error"]

    assert [trouble["range"]["start"]["line"] for trouble in errors] == [
        number
        for number, line in enumerate(api.read_text("utf-8").splitlines())
        if "# type: ignore" in line
    ], errors
