"""The disk of a shared store is full: mail is refused, and nothing accepted is lost."""

from __future__ import annotations

import base64
import itertools
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from postroom import Client, Completion, PostroomError

from tests.gates.fleet import Fleet
from tests.gates.sink import Sink
from tests.gates.verdict import wrong
from tests.support.postgres import Cluster, postgres
from tests.support.process import PAUSE
from tests.support.relays import ALL_EXTENSIONS

pytestmark = [pytest.mark.gate, pytest.mark.timeout(600)]

LARGE = 200_000


class Disk:
    """A small disk that holds the tables of one store; *url* is its address."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self._cluster, self._folder = cluster, folder
        self.url = ""

    def mount(self) -> None:
        """Raises `CalledProcessError` where that is not allowed."""
        self._mount("-t", "tmpfs", "-o", "size=16m", "tmpfs")
        shutil.chown(self._folder, self._cluster.folder.owner())
        self._run(f"CREATE TABLESPACE small LOCATION '{self._folder}'")
        self.url = f"{self._cluster.fresh()}%20-cdefault_tablespace%3Dsmall"

    def grow(self) -> None:
        """Make room."""
        self._mount("-o", "remount,size=256m")

    def unmount(self) -> None:
        if self.url:
            schema = self.url.partition("search_path%3D")[2].partition("%20")[0]
            self._run(f"DROP SCHEMA {schema} CASCADE")
            self._run("DROP TABLESPACE small")
        subprocess.run(["umount", "-l", self._folder], check=True)

    def _mount(self, *options: str) -> None:
        command = ["mount", *options, self._folder]
        subprocess.run(command, check=True, capture_output=True)

    def _run(self, sql: str) -> None:
        with psycopg.connect(self._cluster.url, autocommit=True) as connection:
            connection.execute(sql.encode())


@pytest.fixture
def disk() -> Iterator[Disk]:
    cluster = postgres()
    with TemporaryDirectory(dir=cluster.folder) as folder:
        made = Disk(cluster, Path(folder))
        try:
            made.mount()
        except subprocess.CalledProcessError:
            pytest.skip("a disk of its own needs the rights to mount one")
        try:
            yield made
        finally:
            made.unmount()


class Sender:
    """Sends large mail that can't be made smaller; *accepted* are the subjects."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._numbers = itertools.count()
        self.accepted: list[str] = []

    def until_refused(self) -> PostroomError:
        """What a caller heard at last."""
        for _ in range(500):
            refused = self.send()
            if refused is not None:
                return refused
        raise AssertionError("it never was full")

    def send(self) -> PostroomError | None:
        """What its caller heard, if it was refused."""
        marker = f"m{next(self._numbers):06d}"
        try:
            self._client.send(
                from_="me@example.com",
                to="ada@example.com",
                subject=marker,
                text=base64.encodebytes(os.urandom(LARGE)).decode(),
                completion=Completion.ACCEPTED,
                timeout=20,
            )
        except PostroomError as error:
            return error
        self.accepted.append(marker)
        return None


def test_a_full_disk_refuses_mail_and_loses_none(tmp_path, disk):
    with (
        Sink(tmp_path, ALL_EXTENSIONS) as sink,
        Fleet(tmp_path, sink.port, 2, disk.url) as fleet,
        Client(fleet.targets[0], max_attempts=1) as client,
    ):
        sender = Sender(client)
        refusals = [sender.until_refused() for _ in range(5)]
        disk.grow()
        until(lambda: sender.send() is None)
        found = wrong(fleet.targets[0], sink, sender.accepted)

    assert not found, "\n".join(found)
    assert {(error.code, error.reason) for error in refusals} == {
        ("RESOURCE_EXHAUSTED", "STORE_FULL")
    }
    assert len(sender.accepted) > 10


def until(told: Callable[[], bool]) -> None:
    for _ in range(100):
        if told():
            return
        PAUSE.wait(0.1)
    raise AssertionError("it takes no mail though there is room")
