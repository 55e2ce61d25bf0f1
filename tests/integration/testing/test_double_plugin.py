"""A project of a user, and its tests as pytest and unittest run them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

PATIENCE = 120.0

SHOP = """
import os
from postroom import Client

client = None

def welcome(address, name):
    global client
    if client is None:
        # As applications do: made once, with what the environment says at that time.
        client = Client(os.environ["POSTROOM_TARGET"])
    return client.send(
        to=address,
        from_="shop@example.com",
        subject=f"Welcome, {name}",
        text=f"Confirm: https://shop.example/confirm/{name}",
        request_id=f"welcome-{name}",
    )
"""

TESTS = """
import pytest
from postroom import Status
from shop import welcome

@pytest.mark.parametrize("name", ["ada", "bob", "cyd", "dan"])
def test_a_customer_is_welcomed(postroom, name):
    welcome("ada@example.com", name)

    mail = postroom.inbox.one()
    assert mail.subject == f"Welcome, {name}"
    assert mail.link("/confirm/").endswith(name)

@pytest.mark.parametrize("name", ["ada", "bob", "cyd"])
def test_an_unknown_customer_is_told(postroom, name):
    postroom.relay.refuse("ada@example.com")

    assert welcome("ada@example.com", name).status is Status.REJECTED
    postroom.inbox.assert_empty()

def test_a_customer_is_welcomed_once(postroom):
    welcome("ada@example.com", "ada")
    welcome("ada@example.com", "ada")

    assert len(postroom.inbox) == 1
"""

UNITTEST = """
import os
import unittest
from postroom.testing import PostroomDouble
import shop

class Welcome(unittest.TestCase):
    def setUp(self):
        self.postroom = self.enterContext(PostroomDouble(environ="POSTROOM_TARGET"))
        shop.client = None

    def tearDown(self):
        shop.client.close()

    def test_a_customer_is_welcomed(self):
        shop.welcome("ada@example.com", "ada")
        self.assertEqual(self.postroom.inbox.one().subject, "Welcome, ada")

    def test_another(self):
        shop.welcome("bob@example.com", "bob")
        self.assertEqual(self.postroom.inbox.one().subject, "Welcome, bob")
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A user's project, with settings that pytest would have there."""
    if not entry_points(group="pytest11", name="postroom"):
        reason = "the client was installed before it had a plugin: make install"
        if os.environ.get("POSTROOM_REQUIRE_TOOLS") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "test_shop.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\npostroom_environ = POSTROOM_TARGET\npythonpath = .\n"
        "filterwarnings = error\n"
    )
    return tmp_path


def run(project: Path, *arguments: str) -> tuple[int, str]:
    """The exit status and the output of Python with *arguments* there."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=project,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    "how",
    [["-p", "randomly", "-p", "no:xdist"], ["-n", "2"], ["-p", "no:randomly"]],
    ids=["in random order", "in parallel", "in the order of the file"],
)
def test_the_tests_of_a_project_pass(project, how):
    if "-n" in how:
        pytest.importorskip("xdist")
    status, output = run(project, "-m", "pytest", "-q", *how)

    assert status == 0, output
    assert "8 passed" in output


def test_a_failure_shows_what_came(project):
    (project / "test_shop.py").write_text(
        "from shop import welcome\n"
        "def test_eve(postroom):\n"
        "    welcome('ada@example.com', 'ada')\n"
        "    postroom.inbox.one(to='eve@example.com', timeout=0)\n"
    )
    status, output = run(project, "-m", "pytest", "-q")

    assert status == 1
    assert re.search(
        r">\s+postroom.inbox.one\(to='eve@example.com', timeout=0\)\n"
        r"E\s+AssertionError: expected 1 mail to eve@example.com within 0 s, and 0 came"
        r".\nE\s+The inbox holds 1 mail:\n"
        r"E\s+1. 'Welcome, ada' from shop@example.com to ada@example.com\n",
        output,
    ), output
    assert "inbox.py" not in output


def test_a_project_may_give_its_own_settings(project):
    (project / "conftest.py").write_text(
        "import pytest\n"
        "from postroom.testing import PostroomDouble\n"
        "@pytest.fixture(scope='session')\n"
        "def postroom_server():\n"
        "    with PostroomDouble(relays=('bulk',)) as double:\n"
        "        yield double\n"
    )
    (project / "test_shop.py").write_text(
        "def test_bulk(postroom):\n"
        "    postroom.client().send(relay='bulk', to='a@b.example', subject='x', text='x')\n"
        "    assert len(postroom.inbox) == 1\n"
    )
    status, output = run(project, "-m", "pytest", "-q")

    assert status == 0, output


def test_who_does_not_use_it_does_not_pay_for_it(project):
    (project / "test_shop.py").write_text(
        "import sys\n"
        "def test_nothing_was_imported():\n"
        "    assert 'postroom_pytest' in sys.modules\n"
        "    assert not {'postroom', 'grpc', 'postroom_server'} & set(sys.modules)\n"
    )
    status, output = run(project, "-m", "pytest", "-q")

    assert status == 0, output


def test_unittest_needs_no_plugin(project):
    (project / "test_shop.py").write_text(UNITTEST)
    status, output = run(project, "-W", "error", "-m", "unittest", "-q", "test_shop")

    assert status == 0, output
