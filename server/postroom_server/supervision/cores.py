"""Keeping a process to one of the cores that it may use.

Python computes on one core at a time, and each wait of a thread hands that on.  Where
the threads of a process sit on several cores, every hand-over wakes another one and
finds its caches cold, which costs more than the little that runs beside Python gains:
kept to one core, a small mail takes two thirds of the processor time.
"""

from __future__ import annotations

import os
import random
import sys


def keep_to_one(number: int | None = None) -> None:
    """Keep this thread, and those that it starts, to one core.

    The processes of one service, by their *number* from 1 on, take different ones in
    turn; one alone takes any.  Nothing happens where the system can't do that.
    """
    if sys.platform != "linux":
        return
    cores = sorted(os.sched_getaffinity(0))
    turn = random.randrange(len(cores)) if number is None else number - 1  # noqa: S311  spreads load, hides nothing
    os.sched_setaffinity(0, {cores[turn % len(cores)]})
