"""Client and server are one release, and what they were tested with is on record."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.support.sources import ROOT

CLIENT = tomllib.loads((ROOT / "client/pyproject.toml").read_text())["project"]
SERVER = tomllib.loads((ROOT / "server/pyproject.toml").read_text())["project"]
TOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
CONSTRAINTS = sorted(ROOT.glob("constraints*.txt"))
PIN = re.compile(r"([a-z0-9-]+)==[0-9][0-9A-Za-z.]*")


def name(requirement: str) -> str:
    """The name of what is required, as indexes normalise it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", requirement)[0]).lower()


def pins(path):
    lines = path.read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_client_and_server_have_one_version():
    assert CLIENT["version"] == SERVER["version"]


def test_the_server_takes_the_client_of_its_version():
    assert f"postroom=={CLIENT['version']}" in SERVER["dependencies"]


@pytest.mark.parametrize("path", CONSTRAINTS, ids=lambda path: path.name)
def test_constraints_hold_versions_only(path):
    assert [line for line in pins(path) if not PIN.fullmatch(line)] == []


def test_what_we_depend_on_has_a_tested_version():
    tested = {name(line) for line in pins(ROOT / "constraints.txt")}
    extras = CLIENT["optional-dependencies"].values()
    wanted = [*CLIENT["dependencies"], *SERVER["dependencies"], *TOOLS["dev"]]
    wanted += [requirement for extra in extras for requirement in extra]
    ours = {"postroom", "postroom-server"}

    assert {name(requirement) for requirement in wanted} - ours - tested == set()
