"""A hundred mails to read, and readers of other languages, built when first needed."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from postroom_server.domain.draft import MessageDraft

from tests.support import tools
from tests.support.mails import composed, drafts

HERE = Path(__file__).parent
BUILD = HERE.parents[2] / ".build" / "mime"
MAILS = 100

Reader = Callable[[Path], list[dict[str, Any]]]


@pytest.fixture(scope="session")
def asked() -> list[MessageDraft]:
    """The same hundred mails each time, with everything that a mail can have."""
    found: list[MessageDraft] = []

    @settings(
        max_examples=MAILS,
        phases=[Phase.generate],
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(drafts())
    def collect(mail: MessageDraft) -> None:
        found.append(mail)

    collect()
    return found


@pytest.fixture(scope="session")
def mails(asked: list[MessageDraft], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the hundred mails, composed."""
    folder = tmp_path_factory.mktemp("mails")
    for number, mail in enumerate(asked):
        (folder / f"{number:03}.eml").write_bytes(bytes(composed(mail)))
    return folder


@pytest.fixture(scope="session")
def mailparser() -> Reader:
    """Node's mailparser."""
    node = tools.require_tool("node")
    npm = tools.require_tool("npm")
    folder = BUILD / "node"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "read.js"):
        shutil.copy(HERE / "node" / name, folder)
    if not installed(folder):
        built([npm, "install", "--no-package-lock", "--no-audit", "--no-fund"], folder)
    return reader([node, str(folder / "read.js")])


def installed(folder: Path) -> bool:
    wanted = json.loads((folder / "package.json").read_text())["dependencies"]
    found = folder / "node_modules/mailparser/package.json"
    return found.exists() and (
        json.loads(found.read_text())["version"] == wanted["mailparser"]
    )


@pytest.fixture(scope="session")
def go_mail() -> Reader:
    """Go's standard library."""
    go = tools.require_tool("go")
    BUILD.mkdir(parents=True, exist_ok=True)
    program = BUILD / "goreader"
    built([go, "build", "-o", str(program), "."], HERE / "go")
    return reader([str(program)])


def built(command: list[str], folder: Path) -> None:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, timeout=300, check=False, text=True
    )
    if done.returncode:
        tools._miss(f"{' '.join(command)} failed: {done.stderr[-500:]}")


def reader(command: list[str]) -> Reader:
    def read(folder: Path) -> list[dict[str, Any]]:
        done = subprocess.run(
            [*command, str(folder)], capture_output=True, timeout=120, check=True
        )
        return [json.loads(line) for line in done.stdout.decode().splitlines() if line]

    return read
