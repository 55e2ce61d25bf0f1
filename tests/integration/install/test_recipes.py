"""The recipes in deploy/: for a container, and for systemd."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.sources import ROOT
from tests.support.tools import require_tool

CONTAINER = ROOT / "deploy/container/Containerfile"
UNIT = ROOT / "deploy/systemd/postroom.service"
EXPOSURE = 20
"""Tenths, as systemd judges a unit; 0 is shut in, 100 is open."""


def instructions(word: str) -> list[str]:
    """What follows that *word*, each time, on one line."""
    text = CONTAINER.read_text(encoding="utf-8").replace("\\\n", " ")
    return re.findall(rf"^{word} +(.*)$", text, re.MULTILINE)


def scripts(part: str) -> dict[str, str]:
    project = tomllib.loads((ROOT / part / "pyproject.toml").read_text())["project"]
    return project["scripts"]


def test_the_recipe_of_the_container_is_well_made():
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [linter, CONTAINER], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_container_runs_the_service_as_nobody_special():
    (command,) = instructions("ENTRYPOINT")
    user, _, group = instructions("USER")[-1].partition(":")

    assert json.loads(command)[0] in scripts("server")
    assert int(user) > 0 < int(group)


def test_the_container_is_asked_for_its_health_by_the_client():
    (check,) = instructions("HEALTHCHECK")
    command = json.loads(check.partition("CMD ")[2])

    assert command[0] in scripts("client")
    assert command[-1] == "health"


def test_the_container_takes_only_what_the_ignore_file_lets_through():
    kept = (ROOT / ".dockerignore").read_text().splitlines()
    taken = [what for what in instructions("COPY") if "--from" not in what]

    assert [f"!{name}" in kept for name in taken[0].split()[:-1]] == [True, True]
    assert len(taken) == 1


def directive(name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.MULTILINE)


def test_the_unit_gives_the_service_the_time_to_end():
    # Twice the grace and 30 s is when the process ends by itself.
    (seconds,) = directive("TimeoutStopSec")

    assert int(seconds) > 2 * 30 + 30


def test_the_unit_does_not_repeat_what_can_t_work():
    assert directive("RestartPreventExitStatus") == ["2"]


@pytest.fixture
def installed_unit(tmp_path):
    """The unit, with the programs of this environment."""
    path = tmp_path / UNIT.name
    programs = Path(sys.executable).parent
    path.write_text(UNIT.read_text().replace("/opt/postroom/bin", str(programs)))
    return path


def systemd_analyze(*arguments):
    return subprocess.run(
        [require_tool("systemd-analyze"), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.interop
def test_systemd_takes_the_unit_without_a_complaint(installed_unit):
    done = systemd_analyze("verify", "--man=no", installed_unit)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.interop
def test_systemd_finds_the_unit_well_shut_in(installed_unit):
    done = systemd_analyze(
        "security",
        "--offline=true",
        f"--threshold={EXPOSURE}",
        "--no-pager",
        installed_unit,
    )

    assert done.returncode == 0, done.stdout[-500:]
