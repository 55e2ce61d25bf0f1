"""The service in this process, for as long as a test needs it.

It is `postroom-server` itself, with a store in a temporary folder and a relay that
keeps what it gets.  Its quick retries take milliseconds.  When it is closed its
threads, its files and its variable are gone.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from postroom.aio import AsyncClient
from postroom.client import Client
from postroom.testing._serving import Serving
from postroom.testing.inbox import Inbox
from postroom.testing.relay import RelayDouble

FROM_ADDRESS = "sender@example.com"
"""The From of messages that have none, as a relay's configuration may give it."""


class PostroomDouble:
    """A Postroom for tests; a context manager, safe to use from any thread.

    *target* is where it listens.  *inbox* holds what its relay took, and *relay* says
    what is to go wrong.
    """

    def __init__(
        self,
        *,
        relays: Sequence[str] = ("main",),
        from_address: str = FROM_ADDRESS,
        settings: Mapping[str, object] | None = None,
        environ: str = "",
    ) -> None:
        """Prepare a service; nothing runs before `start`.

        *relays* are the names that callers may use, the first is the default one; all
        lead to one inbox.  *from_address* "": a message has to say who it is from.
        *settings* are further keys of the service's configuration, such as
        ``{"limits.max_recipients": 5}``.  *environ* is the name of a variable that
        holds the target while the service runs, such as "POSTROOM_TARGET".
        """
        self._relays = tuple(relays)
        self._from_address = from_address
        self._settings = dict(settings or {})
        self._environ = environ
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self._serving: Serving | None = None
        self._inbox: Inbox | None = None
        self._relay: RelayDouble | None = None
        self._client: Client | None = None

    def start(self) -> None:
        """Listen on a free port of the loopback.

        Raises `ModuleNotFoundError` where postroom-server is not installed, and
        `ValueError` for settings that the service does not take.
        """
        if self._serving is not None:
            raise RuntimeError("the service was started before")
        with ExitStack() as stack:
            serving = Serving(self._relays, self._from_address, self._settings)
            stack.enter_context(serving)
            self._serving = serving
            self._inbox = Inbox(serving.sandbox)
            self._relay = RelayDouble(serving.sandbox)
            if self._environ:
                stack.enter_context(_variable(self._environ, serving.target))
            self._stack = stack.pop_all()

    def close(self) -> None:
        """Leave nothing behind.  Idempotent."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()
        self._stack.close()
        self._serving = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def target(self) -> str:
        """Where it listens, as "127.0.0.1:port"."""
        return self._running.target

    @property
    def inbox(self) -> Inbox:
        """What the relay took; it can be read after the end too."""
        if self._inbox is None:
            raise _not_running()
        return self._inbox

    @property
    def relay(self) -> RelayDouble:
        """What is to go wrong."""
        if self._relay is None:
            raise _not_running()
        return self._relay

    def client(self) -> Client:
        """A client of it: the same one each time, closed with the service."""
        target = self.target
        with self._lock:
            if self._client is None:
                self._client = Client(target)
            return self._client

    def async_client(self, **options: Any) -> AsyncClient:  # noqa: ANN401  they are those of `AsyncClient`
        """A new client for asyncio, for its caller to close."""
        return AsyncClient(self.target, **options)

    def reset(self) -> None:
        """Be as new, at the same address: no mail, no trouble, nothing waiting.

        What is not delivered yet is cancelled, and request ids may be used anew.
        """
        self._running.reset(self.client())

    def __repr__(self) -> str:
        if self._serving is None:
            return "<PostroomDouble, not running>"
        return f"<PostroomDouble at {self.target}, {len(self.inbox)} in the inbox>"

    @property
    def _running(self) -> Serving:
        if self._serving is None:
            raise _not_running()
        return self._serving


def _not_running() -> RuntimeError:
    return RuntimeError("the service does not run: use it in a with block")


class _variable:  # noqa: N801  it reads as what it is
    """A variable of the environment that is put back."""

    def __init__(self, name: str, value: str) -> None:
        self._name, self._value = name, value

    def __enter__(self) -> None:
        self._before = os.environ.get(self._name)
        os.environ[self._name] = self._value

    def __exit__(self, *_: object) -> None:
        if self._before is None:
            os.environ.pop(self._name, None)
        else:
            os.environ[self._name] = self._before
