"""Rules for several processes: what they can share, and what they can't."""

from __future__ import annotations

from collections.abc import Iterator

from postroom_server.config.errors import Finding
from postroom_server.config.schema import Root

_KEY = ("server", "processes")


def sharing_findings(root: Root) -> Iterator[Finding]:
    """What is wrong with several processes."""
    if root.server.processes == 1:
        return
    if root.store.url.startswith("sqlite:"):
        text = (
            "several processes share their store, and a file has one owner: set "
            "store.url to postgresql://user@host/database, or leave this at 1"
        )
        yield Finding((_KEY, ("store", "url")), text)
    if root.listen.startswith("unix:"):
        text = (
            "several processes share a port, and a Unix socket has one owner: set "
            'listen to "host:port", or leave this at 1'
        )
        yield Finding((_KEY, ("listen",)), text)
    yield from _ports(root)


def _ports(root: Root) -> Iterator[Finding]:
    """Each process has a port for its metrics: the one that is set, and those after."""
    host, _, text = root.metrics.listen.rpartition(":")
    if not text.isdecimal() or not int(text):
        return
    last = int(text) + root.server.processes - 1
    key = ("metrics", "listen")
    if last > 65535:
        yield Finding((key, _KEY), f"each process needs a port: up to {last}")
    own_host, _, own = root.listen.rpartition(":")
    taken = own.isdecimal() and int(text) < int(own) <= last
    if taken and host == own_host:
        said = f"the processes have the ports {text} to {last}, and listen is in them"
        yield Finding((key, _KEY, ("listen",)), said)
