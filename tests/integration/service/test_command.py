"""`postroomd`, as an operator meets it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from tests.support.process import daemon, free_port
from tests.support.service import of_the_file, plain, settings

# It starts processes, which a loaded machine does slowly.
pytestmark = pytest.mark.timeout(180)

SECRET = "canary-7c1f"


def postroomd(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "postroom_server", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=80,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.fixture
def config(tmp_path):
    return settings(tmp_path, {"main": plain(2525)})


def test_it_tells_its_version():
    assert postroomd("--version").stdout.startswith("postroomd ")


def test_a_good_configuration_is_said_to_be_fine(config):
    done = postroomd("--config", config, "--check-config")

    assert (done.returncode, done.stderr) == (0, "")


def test_a_wrong_key_is_named_in_one_line(tmp_path):
    config = settings(tmp_path, {"main": plain(99999)})

    done = postroomd("--config", config, "--check-config")

    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "relays.main.port" in done.stderr
    assert "Traceback" not in done.stderr


def test_who_gives_nothing_is_told_what_to_give():
    done = postroomd()

    assert done.returncode == 2
    assert "--config" in done.stderr
    assert "--sandbox" in done.stderr


def test_the_environment_wins_over_the_file(config):
    done = postroomd(
        "--config",
        config,
        "--print-config",
        POSTROOM_RELAYS__MAIN__HOST="mail.example.com",
    )

    assert 'host = "mail.example.com"' in done.stdout


def test_the_printed_configuration_holds_no_secret(tmp_path):
    keys = plain(2525, username="user", password=SECRET)
    config = settings(tmp_path, {"main": keys})

    done = postroomd("--config", config, "--print-config")

    assert "password" in done.stdout
    assert SECRET not in done.stdout + done.stderr


def test_a_folder_that_is_not_there_is_told_in_one_line(config, tmp_path):
    missing = tmp_path / "missing" / "postroom.db"
    done = postroomd("--config", config, POSTROOM_STORE__URL=f"sqlite:///{missing}")

    assert done.returncode == 3
    told = done.stderr.splitlines()[-1]
    assert told.startswith(f"postroomd: {missing}")
    assert "Errno" not in told


def test_a_port_in_use_is_told_in_a_clear_word(config):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = postroomd("--config", config, POSTROOM_LISTEN=address)

    assert done.returncode == 3
    assert address in done.stderr
    assert "in use" in done.stderr
    assert "Traceback" not in done.stderr


@of_the_file
def test_a_store_that_another_process_has_is_told_in_a_clear_word(config):
    with daemon(config, free_port()):
        done = postroomd("--config", config, POSTROOM_LISTEN=f"127.0.0.1:{free_port()}")

    assert done.returncode == 3
    assert "postroom.db" in done.stderr
    assert "Traceback" not in done.stderr


def test_plaintext_beyond_this_machine_needs_the_long_word(config):
    done = postroomd("--config", config, POSTROOM_LISTEN="0.0.0.0:0")

    assert done.returncode == 3
    assert "--insecure-plaintext" in done.stderr


@pytest.mark.parametrize(("options", "code"), [((), 2), (("--insecure-plaintext",), 0)])
def test_what_would_be_refused_at_the_start_is_told_by_the_check(config, options, code):
    done = postroomd(
        "--config", config, "--check-config", *options, POSTROOM_LISTEN="0.0.0.0:0"
    )

    assert done.returncode == code
    assert ("--insecure-plaintext" in done.stderr) == bool(code)
    assert ("fine" in done.stdout) == (not code)


def test_a_sandbox_that_is_no_folder_is_told_in_one_line(tmp_path):
    taken = tmp_path / "mail.txt"
    taken.touch()

    done = postroomd("--sandbox", taken)

    assert done.returncode == 3
    assert done.stderr == f"postroomd: --sandbox: {taken}: File exists\n"


def test_who_looks_after_a_store_and_names_none_is_told_how():
    done = postroomd("store", "check")

    assert done.returncode == 2
    assert "--config" in done.stderr
