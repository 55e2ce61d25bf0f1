"""Progress bars: on the standard error, and only where that is a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars

from postroom.messages import Progress

BYTES: ProgressColumn = DownloadColumn(binary_units=True)
MAILS: ProgressColumn = MofNCompleteColumn()


@contextmanager
def bar(what: str, unit: ProgressColumn) -> Iterator[Progress | None]:
    """Shows how much of all is done, once it is told; None where nobody looks."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = TextColumn(what), BarColumn(), unit, TimeRemainingColumn()
    with Bars(*columns, console=console, transient=True) as bars:
        line = bars.add_task(what, total=None, visible=False)

        def show(done: int, total: int) -> None:
            bars.update(line, completed=done, total=total, visible=True)

        yield show
