"""The result file of a batch: what became of each row, appended as it is known.

It is how a batch goes on where it was broken off: a row whose last line has a status
that is the end of it, or leaves the rest to the service, is not sent again.  A line
that a crash cut short counts as not written.
"""

from __future__ import annotations

import csv
import os
import threading
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Self

_OPEN = frozenset({"ERROR", "INVALID", "TEMP_FAILED"})
"""Statuses after which a row is sent again."""


class NoLedger(Exception):
    """The file is something else."""


@dataclass(frozen=True, slots=True)
class Line:
    """What became of the row that ends at line *row* of the batch."""

    row: int
    request_id: str
    status: str
    delivery: str = ""
    detail: str = ""


COLUMNS = [field.name for field in fields(Line)]


class Ledger:
    """Writes from any thread; each line is in the file before the next is begun."""

    def __init__(self, path: Path) -> None:
        """Go on with the file at *path*, or begin it.

        Raises `NoLedger` for a file of another kind, and `OSError`.
        """
        self._lock = threading.Lock()
        self._file = path.open("a+", encoding="utf-8", newline="")
        try:
            self.done = frozenset(self._read())
        except BaseException:
            self._file.close()
            raise
        self._writer = csv.writer(self._file)
        if not self._file.tell():
            self._append(COLUMNS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def write(self, line: Line) -> None:
        """Append *line*."""
        with self._lock:
            self._append([_safe(str(cell)) for cell in astuple(line)])

    def _append(self, cells: list[str]) -> None:
        self._writer.writerow(cells)
        self._file.flush()

    def _read(self) -> set[str]:
        """The request ids of rows that are done with."""
        self._cut()
        self._file.seek(0)
        reader = csv.reader(self._file)
        if next(reader, COLUMNS) != COLUMNS:
            raise NoLedger
        statuses = {cells[1]: cells[2] for cells in reader if len(cells) > 2}
        self._file.seek(0, os.SEEK_END)
        return {row for row, status in statuses.items() if status not in _OPEN}

    def _cut(self) -> None:
        """Forget a last line that was not written to its end."""
        self._file.seek(0)
        whole = self._file.read()
        kept = whole[: whole.rfind("\n") + 1]
        if kept != whole:
            self._file.truncate(len(kept.encode()))


def _safe(cell: str) -> str:
    """One line, which no spreadsheet takes for a formula."""
    line = " ".join(cell.split())
    return f"'{line}" if line[:1] in {"=", "+", "-", "@"} else line
