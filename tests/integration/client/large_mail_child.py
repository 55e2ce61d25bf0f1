"""Sends one large mail and prints, in kilobytes, what that cost this process at most.

Usage: large_mail_child.py TARGET KIND CONTENT, with KIND a client's name.
"""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

from postroom import AsyncClient, Client
from postroom.arguments import SendArguments


def main(target: str, kind: str, content: str) -> None:
    small: SendArguments = {"to": "a@example.com", "subject": "x", "text": "x"}
    # Large enough to go the same way, so that what is needed once is there.
    warm: SendArguments = {**small, "text": "x" * 2_000_000}
    large: SendArguments = {**small, "attachments": [Path(content)]}
    if kind == "AsyncClient":
        _tell(asyncio.run(_awaited(target, warm, large)))
        return
    with Client(target) as client:
        client.send(**warm)
        before = _peak()
        client.send(**large)
        _tell(_peak() - before)


async def _awaited(target: str, warm: SendArguments, large: SendArguments) -> int:
    async with AsyncClient(target) as client:
        await client.send(**warm)
        before = _peak()
        await client.send(**large)
        return _peak() - before


def _tell(cost: int) -> None:
    sys.stdout.write(str(cost))


def _peak() -> int:
    # What getrusage tells begins with the peak of the process that started this one.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0])


main(*sys.argv[1:])
