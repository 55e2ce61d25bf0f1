"""The clients in examples/, built as their readers build them, and run.

    client = built("go")
    done = client("--request-id", "order-1", "ada@example.com", target=target)

Building is what takes time: `built` does it once in a process.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.support.sources import ROOT
from tests.support.tools import require_tool

LANGUAGES = ("go", "node", "java")
BUILD = 600.0
"""Seconds, for a machine that has nothing yet and much else to do."""
RUN = 60.0
FOLDER = ROOT / "examples"
# buf comes with the tools of `make install`.
TOOLS = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

Client = Callable[..., subprocess.CompletedProcess[str]]


@functools.cache
def built(language: str) -> Client:
    """The example in *language*; without its tools the test is skipped, or fails.

    Call it with its arguments, the *target*, and more of the environment.
    """
    command = {"go": _go, "node": _node, "java": _java}[language]()

    def run(
        *arguments: str, target: str, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *arguments],
            env={**os.environ, "POSTROOM_TARGET": target, **environment},
            capture_output=True,
            text=True,
            timeout=RUN,
            check=False,
        )

    return run


def _go() -> list[str]:
    go = require_tool("go")
    program = ROOT / ".build" / "examples" / "go"
    _make("go", go, "generate")
    _make("go", go, "build", "-o", str(program), ".")
    return [str(program)]


def _node() -> list[str]:
    npm = require_tool("npm")
    _make("node", npm, "install", "--no-audit", "--no-fund")
    _make("node", npm, "run", "build")
    return [require_tool("node"), str(FOLDER / "node/dist/src/main.js")]


def _java() -> list[str]:
    mvn = require_tool("mvn")
    classes = FOLDER / "java/target/classpath"
    plugin = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
    output = f"-Dmdep.outputFile={classes}"
    _make("java", mvn, "-q", "-B", "compile", f"{plugin}:build-classpath", output)
    path = f"{FOLDER / 'java/target/classes'}{os.pathsep}{classes.read_text()}"
    return [require_tool("java"), "-cp", path, "com.example.mail.Main"]


def _make(language: str, *command: str) -> None:
    done = subprocess.run(
        command,
        cwd=FOLDER / language,
        env={**os.environ, "PATH": TOOLS},
        capture_output=True,
        text=True,
        timeout=BUILD,
        check=False,
    )
    # The tools are there, so a failure is the example's.
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
