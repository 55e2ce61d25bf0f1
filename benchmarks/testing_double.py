"""What `postroom.testing` costs a test suite: medians, in milliseconds.

Goal: a double starts in less than 300 ms.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from postroom.testing import PostroomDouble

ROUNDS = 20
MAIL = {"to": "ada@example.com", "subject": "Hello", "text": "It works."}
IMPORT = "import time; t = time.perf_counter(); import postroom.testing; print(time.perf_counter() - t)"  # noqa: E501  it is a program


def timed(step: Callable[[], object]) -> float:
    """Seconds that *step* took."""
    began = time.perf_counter()
    step()
    return time.perf_counter() - began


def imported() -> float:
    """Seconds that the import takes in a new interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORT], capture_output=True, check=True, text=True
    )
    return float(done.stdout)


def main() -> None:
    """Measure and print."""
    times: dict[str, list[float]] = {"import": [imported() for _ in range(5)]}
    for _ in range(ROUNDS):
        double = PostroomDouble()
        steps = {
            "start": double.start,
            "first send": lambda d=double: d.client().send(**MAIL),
            "send": lambda d=double: d.client().send(**MAIL),
            "reset": double.reset,
            "close": double.close,
        }
        for name, step in steps.items():
            times.setdefault(name, []).append(timed(step))
    for name, taken in times.items():
        print(f"{name:12} {statistics.median(taken) * 1000:8.1f}")


if __name__ == "__main__":
    main()
