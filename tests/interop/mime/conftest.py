"""Readers of other languages, built when first needed; each is one process."""

from __future__ import annotations

import json
import select
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import tools

HERE = Path(__file__).parent
BUILD = HERE.parents[2] / ".build" / "mime"
PATIENCE = 30.0


class Reader:
    """Asks the program *command* what it reads in a mail, again and again."""

    def __init__(self, command: list[str]) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe)

    def __call__(self, content: bytes) -> dict[str, Any]:
        """What is found in *content*; fails where the program gave it up."""
        asked, told = self._process.stdin, self._process.stdout
        assert asked is not None
        assert told is not None
        asked.write(b"%d\n%s" % (len(content), content))
        asked.flush()
        assert select.select([told], [], [], PATIENCE)[0], "the reader says nothing"
        line = told.readline()
        assert line, f"the reader gave up: {self._last_words()}"
        found = json.loads(line)
        assert isinstance(found, dict)
        return found

    def close(self) -> None:
        """End the program."""
        self._process.terminate()
        self._process.communicate(timeout=PATIENCE)

    def _last_words(self) -> str:
        assert self._process.stderr is not None
        return self._process.stderr.read().decode()[-2000:]


@pytest.fixture(scope="session")
def mailparser() -> Iterator[Reader]:
    """Node's mailparser."""
    node = tools.require_tool("node")
    npm = tools.require_tool("npm")
    folder = BUILD / "node"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "read.js"):
        shutil.copy(HERE / "node" / name, folder)
    if not installed(folder):
        built([npm, "install", "--no-package-lock", "--no-audit", "--no-fund"], folder)
    yield from reading_with([node, str(folder / "read.js")])


def installed(folder: Path) -> bool:
    wanted = json.loads((folder / "package.json").read_text())["dependencies"]
    found = folder / "node_modules/mailparser/package.json"
    return found.exists() and (
        json.loads(found.read_text())["version"] == wanted["mailparser"]
    )


@pytest.fixture(scope="session")
def go_mail() -> Iterator[Reader]:
    """Go's standard library."""
    go = tools.require_tool("go")
    BUILD.mkdir(parents=True, exist_ok=True)
    program = BUILD / "goreader"
    built([go, "build", "-o", str(program), "."], HERE / "go")
    yield from reading_with([str(program)])


def built(command: list[str], folder: Path) -> None:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, timeout=300, check=False, text=True
    )
    if done.returncode:
        tools.miss(f"{' '.join(command)} failed: {done.stderr[-500:]}")


def reading_with(command: list[str]) -> Iterator[Reader]:
    reader = Reader(command)
    yield reader
    reader.close()
