"""A PostgreSQL of the tests' own, from the system's package.

It is started when a test first needs it, in a folder that goes with the process, and
asks nobody for a password.  Each test has a schema of its own.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import psutil

from tests.support.tools import miss

_SETTINGS = {
    # What a crash of the database leaves is its own affair, and tested by its makers.
    "fsync": "off",
    "full_page_writes": "off",
    # The events' horizon waits for every transaction, also for the cluster's own.
    "autovacuum": "off",
    "max_connections": "100",
    "listen_addresses": "",
    "shared_buffers": "64MB",
    "timezone": "UTC",
}
_names = itertools.count(1)
_running: list[Cluster] = []


class Cluster:
    """One running server; *url* reaches its database."""

    def __init__(self, programs: Path, folder: Path, user: str | None) -> None:
        self._programs = programs
        self.folder = folder
        self._user = user
        self._run(
            "initdb",
            "-D",
            self._data,
            "-U",
            "postroom",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "-N",
        )
        lines = [f"{name} = '{value}'" for name, value in _SETTINGS.items()]
        lines.append(f"unix_socket_directories = '{folder}'")
        with (folder / "data" / "postgresql.conf").open("a") as file:
            file.write("\n".join(lines) + "\n")
        self.start()

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    @property
    def url(self) -> str:
        return f"postgresql://postroom@/postgres?host={self.folder}"

    @property
    def pid(self) -> int:
        """Of the server that begins all others."""
        return int((self.folder / "data" / "postmaster.pid").read_text().split()[0])

    def processes(self) -> list[int]:
        """All of its processes."""
        server = psutil.Process(self.pid)
        return [server.pid, *(child.pid for child in server.children())]

    def start(self) -> None:
        self._run(
            "pg_ctl",
            "-D",
            self._data,
            "-w",
            "-t",
            "60",
            "-l",
            str(self.folder / "log"),
            "start",
        )

    def stop(self) -> None:
        self._run("pg_ctl", "-D", self._data, "-w", "-m", "immediate", "stop")

    def fresh(self) -> str:
        """The address of an empty schema."""
        import psycopg

        schema = f"test_{next(_names)}_{os.getpid()}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {schema}".encode())
        return f"{self.url}&options=-csearch_path%3D{schema}"

    def program(self, name: str) -> Path:
        """A program of the package."""
        return self._programs / name

    def output(self, program: str, *words: str) -> bytes:
        """What a program writes."""
        return subprocess.run(
            [self.program(program), *words],
            check=True,
            capture_output=True,
            timeout=120,
        ).stdout

    def _run(self, program: str, *words: str) -> None:
        subprocess.run(
            [self._programs / program, *words],
            check=True,
            capture_output=True,
            timeout=120,
            user=self._user,
            cwd=self.folder,
        )


def postgres() -> Cluster:
    """The server of this process; without the package the test is skipped, or fails."""
    programs = _programs()
    if programs is None:
        miss("PostgreSQL is not installed (on Debian: apt-get install postgresql)")
    return _cluster(programs)


@cache
def _cluster(programs: Path) -> Cluster:
    folder = Path(tempfile.mkdtemp(prefix="postroom-pg-"))
    # It does not run as root.
    user = _other_user() if os.geteuid() == 0 else None
    if user is not None:
        shutil.chown(folder, user)
    folder.chmod(0o755)
    cluster = Cluster(programs, folder, user)
    _running.append(cluster)
    return cluster


def stop_postgres() -> None:
    """End what was started, and leave nothing of it."""
    for cluster in _running:
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            os.kill(cluster.pid, signal.SIGCONT)
            cluster.stop()
        shutil.rmtree(cluster.folder, ignore_errors=True)
    _running.clear()


def _other_user() -> str:
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _programs() -> Path | None:
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return folders[-1].parent if folders else None
