"""What a relay in a process of its own took: the oracle of the gates.

Its record is on the disk before it answers, and nothing that is tested can change it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tests.support.relays import ALL_EXTENSIONS

ROOT = Path(__file__).parents[2]
PATIENCE = 20.0


class Sink:
    """The process; a context manager.  *port* is where it takes mail.

    *reached* is set while a dialogue stands still, whose other side is at *held_port*.
    """

    def __init__(
        self, folder: Path, extensions: tuple[str, ...] = ALL_EXTENSIONS
    ) -> None:
        self._record = folder / "sink.jsonl"
        self._program = [
            *(sys.executable, "-m", "tests.gates.sink_process"),
            *(str(self._record), *extensions),
        ]
        self.reached = threading.Event()
        self.held_port = 0
        self.held: list[int] = []

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._program,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = int(self._process.stdout.readline())
        self._hearer = threading.Thread(target=self._hear, name="sink")
        self._hearer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.wait(PATIENCE)
        self._hearer.join(PATIENCE)
        self._process.stdout.close()

    def hold_at(self, point: str, passes: int = 0) -> None:
        """Let the dialogue that comes to *point* after *passes* others stand still."""
        self.reached.clear()
        self._tell(f"hold {passes} {point}")

    def hold_all_at(self, point: str) -> None:
        """Let every dialogue that comes to *point* stand still; *held* has their ports."""
        self.reached.clear()
        self.held.clear()
        self._tell(f"hold all {point}")

    def go_on(self) -> None:
        """Let the dialogue that stands still go on."""
        self._tell("go on")

    def counted(self) -> Counter[str]:
        """How often the mail of each subject came to its end."""
        return Counter(line["marker"] for line in self._lines("marker"))

    def times(self) -> Mapping[str, float]:
        """When the mail of each subject came first, in seconds since 1970."""
        found: dict[str, float] = {}
        for line in self._lines("marker"):
            found.setdefault(line["marker"], line["at"])
        return found

    def sessions(self) -> list[tuple[float, int]]:
        """When sessions came (1) and went (-1)."""
        return [(line["at"], line["link"]) for line in self._lines("link")]

    def _lines(self, kind: str) -> list[dict]:
        lines = map(json.loads, self._record.read_text().splitlines())
        return [line for line in lines if kind in line]

    def _tell(self, line: str) -> None:
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def _hear(self) -> None:
        for port in self._process.stdout:
            self.held_port = int(port)
            self.held.append(int(port))
            self.reached.set()
