"""The wheels, installed where nothing else is, and used from there alone.

Needs the package index that pip is set up for.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.distributions import build, built_in
from tests.support.process import free_port
from tests.support.sources import ROOT

pytestmark = [pytest.mark.interop, pytest.mark.timeout(600)]
PAUSE = threading.Event()
INSTALL = 400.0
EXTRAS = "cli,django,flask,celery,testing"
PIP = ("-m", "pip", "install", "-q", "--disable-pip-version-check")


@dataclass(frozen=True)
class Place:
    """An environment of its own; *folder* is where its commands run."""

    folder: Path

    def run(
        self, program: str, *arguments: str, timeout: float = 60, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.program(program), *arguments],
            cwd=self.folder,
            env=self.environment(**environment),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def program(self, name: str) -> str:
        return str(self.folder / "venv" / "bin" / name)

    def environment(self, **more: str) -> dict[str, str]:
        """That of this process, without what leads to the checkout."""
        ours = {"PYTHONPATH", "VIRTUAL_ENV", "POSTROOM_CONFIG"}
        return {k: v for k, v in os.environ.items() if k not in ours} | more

    def install(self, *what: str) -> None:
        limits = ("-c", str(ROOT / "constraints.txt"))
        done = self.run("python", *PIP, *limits, *what, timeout=INSTALL)
        assert done.returncode == 0, done.stderr


def a_place(folder: Path) -> Place:
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    return Place(folder)


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    for part in ("client", "server"):
        build(part, folder, "--wheel")
    return folder


@pytest.fixture(scope="module")
def caller(dist, tmp_path_factory):
    """The client alone."""
    place = a_place(tmp_path_factory.mktemp("caller"))
    place.install(str(built_in(dist, "client")))
    return place


@pytest.fixture(scope="module")
def whole(dist, tmp_path_factory):
    """Client with all extras, and server."""
    place = a_place(tmp_path_factory.mktemp("whole"))
    client = f"postroom[{EXTRAS}] @ {built_in(dist, 'client').as_uri()}"
    place.install(client, str(built_in(dist, "server")))
    return place


@pytest.fixture(scope="module")
def target(whole, tmp_path_factory):
    """A service of the installed wheel, with a sandbox relay."""
    folder = tmp_path_factory.mktemp("sandbox")
    address = f"127.0.0.1:{free_port()}"
    with (folder / "log").open("wb") as log:
        service = subprocess.Popen(
            [whole.program("postroomd"), "--sandbox", str(folder / "kept")],
            cwd=whole.folder,
            env=whole.environment(POSTROOM_LISTEN=address),
            stderr=log,
        )
    try:
        assert serves(whole, address, service), (folder / "log").read_text()
        yield address
        service.terminate()
        assert service.wait(60) == 0
    finally:
        if service.poll() is None:
            service.kill()
            service.wait(10)


def serves(place, address, service):
    for _ in range(100):
        if service.poll() is not None:
            return False
        if place.run("postroom", "--target", address, "health").returncode == 0:
            return True
        PAUSE.wait(0.1)
    return False


def test_a_caller_installs_nothing_of_the_server(caller):
    listed = caller.run("python", "-m", "pip", "list", "--format=freeze").stdout
    found = {line.partition("==")[0] for line in listed.splitlines()}

    assert found - {"pip", "setuptools"} == {
        "postroom",
        "grpcio",
        "protobuf",
        "googleapis-common-protos",
        "typing_extensions",
    }


def test_a_caller_has_the_sdk_and_the_stubs(caller):
    done = caller.run(
        "python",
        "-c",
        "import postroom, postroom.v1.delivery_service_pb2_grpc as stubs;"
        " print(postroom.__file__, postroom.AsyncClient, stubs.DeliveryServiceStub)",
    )

    assert done.returncode == 0, done.stderr
    assert str(ROOT) not in done.stdout


def test_a_command_without_its_extra_says_how_to_get_it(caller):
    done = caller.run("postroom", "info")

    assert done.returncode == 2
    assert "postroom[cli]" in done.stderr


@pytest.mark.parametrize("page", ["howto/run-as-a-service.md", "operations/upgrade.md"])
def test_the_manual_tells_how_to_install_the_wheels(page, dist, tmp_path):
    place = a_place(tmp_path)
    text = (ROOT / "docs" / page).read_text()
    (line,) = re.findall(
        r"^/opt/postroom/bin/pip install (.*whl.*)$", text, re.MULTILINE
    )
    (tmp_path / "dist").symlink_to(dist)
    (tmp_path / "constraints.txt").symlink_to(ROOT / "constraints.txt")
    # With the pip that venv puts in, which is as old as that Python.
    done = subprocess.run(
        ["sh", "-c", f"venv/bin/pip install -q --dry-run {line}"],
        cwd=tmp_path,
        env=place.environment(),
        capture_output=True,
        text=True,
        timeout=INSTALL,
        check=False,
    )

    assert done.returncode == 0, done.stderr


def test_what_is_installed_fits_together(whole):
    done = whole.run("python", "-m", "pip", "check")

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "module",
    [
        "postroom.django.backend",
        "postroom.flask",
        "postroom.celery",
        "postroom.testing",
    ],
)
def test_an_extra_brings_what_its_module_needs(whole, module):
    done = whole.run("python", "-W", "error::ImportWarning", "-c", f"import {module}")

    assert done.returncode == 0, done.stderr


def test_a_mail_goes_through_the_installed_service(whole, target):
    mail = ("--to", "ada@sandbox.example", "--subject", "Hello", "--text", "It works.")
    done = whole.run("postroom", "--target", target, "send", *mail)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("SUCCESS deliveries/")


def test_the_installed_service_tells_its_version(whole, target):
    told = whole.run("postroomd", "--version").stdout.split()[-1]
    info = whole.run("postroom", "--target", target, "info").stdout

    assert told in info
