"""`postroom stats --watch`: the numbers again and again, until Ctrl-C.

A terminal gets a table that is drawn anew; anything else a line for each reading, of
words or of JSON.  While the service is away that is said, and the next reading goes on.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from postroom.cli.interrupts import interruptible
from postroom.cli.session import Session, json_line
from postroom.cli.show import plain, when
from postroom.cli.stats_tables import Course, Courses, stats_tables, summary
from postroom.errors import DeadlineExceeded, PostroomError, Unavailable
from postroom.reports import Stats

EVERY = 2.0
"""Seconds between two readings."""
PATIENCE = 5.0
"""Seconds after which a service that does not answer counts as away."""

Show = Callable[[Stats | PostroomError], None]
"""Shows a reading, or why there is none."""
_never = threading.Event()


def watch(asked: Session, ask: Callable[[], Stats], every: float) -> None:
    """Show what *ask* tells, *every* so many seconds; returns at Ctrl-C.

    An error that waiting does not mend is raised.
    """
    try:
        with interruptible(), _screen(asked) as show:
            while True:
                show(_reading(ask))
                rest(every)
    except KeyboardInterrupt:
        return


def rest(seconds: float) -> None:
    """Wait; Ctrl-C ends it."""
    _never.wait(seconds)


def _reading(ask: Callable[[], Stats]) -> Stats | PostroomError:
    try:
        return ask()
    except (Unavailable, DeadlineExceeded) as error:
        return error


@contextmanager
def _screen(asked: Session) -> Iterator[Show]:
    if asked.json:
        yield _show_json
    elif asked.out.is_terminal:
        with _live(asked.out) as show:
            yield show
    else:
        yield lambda found: asked.out.print(plain(_line(found)))


@contextmanager
def _live(out: Console) -> Iterator[Show]:
    courses: Courses = defaultdict(Course)
    last: list[Stats] = []
    with Live(console=out, auto_refresh=False) as live:

        def show(found: Stats | PostroomError) -> None:
            if isinstance(found, Stats):
                last[:] = [found]
                for window in found.windows:
                    courses[window.window].add(window)
                heading = Text(when(found.taken_at))
            else:
                heading = Text(_line(found), style="red")
            tables = [stats_tables(one, courses) for one in last]
            live.update(Group(heading, *tables), refresh=True)

        yield show


def _show_json(found: Stats | PostroomError) -> None:
    if isinstance(found, Stats):
        typer.echo(json_line(found.to_dict()))
    else:
        away = {"code": found.code, "reason": found.reason, "message": found.message}
        typer.echo(json_line({"away": away}))


def _line(found: Stats | PostroomError) -> str:
    if isinstance(found, Stats):
        return summary(found)
    return f"{when(datetime.now().astimezone())}  away: {plain(found)}"
