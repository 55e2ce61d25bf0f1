"""Wheels and sdists: whole, and the same each time."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from email.parser import Parser

import pytest

from tests.support.distributions import PACKAGES, build, built_in
from tests.support.sources import ROOT

PARTS = sorted(PACKAGES)


@pytest.fixture(scope="session")
def dist(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    for part in PARTS:
        build(part, folder)
    return folder


def names(dist, part):
    with zipfile.ZipFile(built_in(dist, part)) as wheel:
        return set(wheel.namelist())


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def package_files(part):
    """Every file of every package in the folder of *part*."""
    return {
        path.relative_to(ROOT / part).as_posix()
        for package in (ROOT / part).glob("*/__init__.py")
        for path in package.parent.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def metadata(dist, part):
    with zipfile.ZipFile(built_in(dist, part)) as wheel:
        (name,) = [n for n in wheel.namelist() if n.endswith(".dist-info/METADATA")]
        return Parser().parsestr(wheel.read(name).decode())


@pytest.mark.parametrize("part", PARTS)
def test_a_wheel_has_every_file_of_its_package_and_no_other(dist, part):
    found = {name for name in names(dist, part) if ".dist-info/" not in name}

    assert found == package_files(part)


def test_the_wheels_have_types_and_the_compiled_contract(dist):
    client, server = (names(dist, part) for part in PARTS)

    assert {"postroom/py.typed", "postroom/v1/postroom_v1.binpb"} <= client
    assert "postroom_server/py.typed" in server


@pytest.mark.parametrize("part", PARTS)
def test_a_wheel_has_the_licence(dist, part):
    (licence,) = [n for n in names(dist, part) if n.endswith("/licenses/LICENSE")]
    with zipfile.ZipFile(built_in(dist, part)) as wheel:
        assert wheel.read(licence) == (ROOT / "LICENSE").read_bytes()


def test_both_have_one_version_and_the_server_takes_that_client(dist):
    client, server = (metadata(dist, part) for part in PARTS)

    assert client["Version"] == server["Version"]
    assert f"postroom=={client['Version']}" in server.get_all("Requires-Dist")


@pytest.mark.parametrize("part", PARTS)
def test_the_same_source_builds_the_same_bytes_wherever_it_lies(dist, part, tmp_path):
    elsewhere = tmp_path / "another-place" / part
    shutil.copytree(
        ROOT / part, elsewhere, ignore=shutil.ignore_patterns("__pycache__")
    )
    # The ignore file of the repository's root is part of an sdist.
    shutil.copy(ROOT / ".gitignore", elsewhere.parent)
    build(part, tmp_path, "--wheel", source=elsewhere)

    assert digest(built_in(tmp_path, part)) == digest(built_in(dist, part))


@pytest.mark.parametrize("part", PARTS)
def test_an_sdist_is_the_same_each_time(dist, part, tmp_path):
    build(part, tmp_path, "--sdist")

    again = built_in(tmp_path, part, ".tar.gz")
    assert digest(again) == digest(built_in(dist, part, ".tar.gz"))
