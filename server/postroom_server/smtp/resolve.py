"""Names to addresses, in time (threat R20).

The system's resolver can't be interrupted, so each lookup runs on a daemon thread of
its own that may outlive the wait for it.  Callers who ask for the same name at once
share one lookup: a dead name holds one thread, and their number is bounded.  An
address needs no lookup, and so neither a thread nor time.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from postroom_server.domain.attempt import FailureReason, Phase
from postroom_server.smtp.errors import SessionError
from postroom_server.smtp.timeouts import Wait

MAX_LOOKUPS = 16


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address to dial; *address* is what the socket of *family* takes."""

    family: socket.AddressFamily
    address: tuple[Any, ...]

    @property
    def ip(self) -> str:
        return str(self.address[0])


@dataclass(slots=True, eq=False)
class _Lookup:
    done: threading.Event = field(default_factory=threading.Event)
    endpoints: tuple[Endpoint, ...] = ()
    problem: str = ""


class Resolver:
    """Looks names up; safe for any number of threads."""

    def __init__(self, getaddrinfo: Callable[..., list[Any]] | None = None) -> None:
        self._getaddrinfo = getaddrinfo or socket.getaddrinfo
        self._lock = threading.Lock()
        self._lookups: dict[tuple[str, int], _Lookup] = {}

    def resolve(self, host: str, port: int, wait: Wait) -> tuple[Endpoint, ...]:
        """All addresses of *host*, in the system's order.

        Raises `SessionError` when there are none, or none in time.
        """
        if _is_address(host):
            lookup = _Lookup()
            self._ask(host, port, lookup)
            return self._found(lookup)
        lookup = self._begin(host, port)
        while not lookup.done.wait(wait.pause()):
            if wait.remaining() <= 0:
                detail = "the relay's name did not resolve in time"
                raise SessionError(Phase.DNS, wait.reason, detail)
        return self._found(lookup)

    def _found(self, lookup: _Lookup) -> tuple[Endpoint, ...]:
        if lookup.problem:
            raise SessionError(Phase.DNS, FailureReason.NETWORK, lookup.problem)
        return lookup.endpoints

    def _begin(self, host: str, port: int) -> _Lookup:
        with self._lock:
            lookup = self._lookups.get((host, port))
            if lookup is None:
                if len(self._lookups) >= MAX_LOOKUPS:
                    problem = "too many names are being resolved"
                    raise SessionError(Phase.DNS, FailureReason.NETWORK, problem)
                lookup = self._lookups[host, port] = _Lookup()
                self._start(host, port, lookup)
        return lookup

    def _start(self, host: str, port: int, lookup: _Lookup) -> None:
        try:
            threading.Thread(
                target=self._look_up,
                args=(host, port, lookup),
                name="postroom-resolve",
                daemon=True,
            ).start()
        except RuntimeError as error:
            # No more threads: a failure like any other, and the name stays askable.
            del self._lookups[host, port]
            raise SessionError(
                Phase.DNS, FailureReason.INTERNAL, "no thread to resolve the name"
            ) from error

    def _look_up(self, host: str, port: int, lookup: _Lookup) -> None:
        try:
            self._ask(host, port, lookup)
        finally:
            with self._lock:
                del self._lookups[host, port]
            lookup.done.set()

    def _ask(self, host: str, port: int, lookup: _Lookup) -> None:
        try:
            found = self._getaddrinfo(host, port, type=socket.SOCK_STREAM)
            lookup.endpoints = tuple(Endpoint(f, a) for f, _, _, _, a in found)
            if not found:
                lookup.problem = "the relay's name has no address"
        except (OSError, UnicodeError) as error:
            words = getattr(error, "strerror", None) or str(error)
            lookup.problem = f"the relay's name did not resolve: {words}"


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


RESOLVER = Resolver()
"""The process's own: the bound on lookups is one for all relays."""
