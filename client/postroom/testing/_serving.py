"""The parts that a double is made of, started and stopped in order.

The server is imported with this package, so that a double starts at once.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Self

from postroom_server.app import App
from postroom_server.config import Config, ConfigError, load_config
from postroom_server.domain.clock import SystemClock, after
from postroom_server.opening import open_in_memory
from postroom_server.outbox.store import Retention
from postroom_server.sandbox.relay import SandboxRelay

from postroom.client import Client
from postroom.errors import FailedPrecondition
from postroom.results import Delivery
from postroom.testing._quiet import quiet
from postroom.words import Health

QUIET_WITHIN = 10.0
"""Seconds in which attempts under way have to end once the relay calls them off."""
_LONG_AFTER = 10 * 366 * 86_400.0
_QUICK = {
    "retry.quick_delays": [0.01, 0.02, 0.05],
    "retry.min_delay": 0.1,
    "retry.max_delay": 0.1,
}


class Serving:
    """A service and its relay; a context manager."""

    def __init__(
        self, relays: Sequence[str], from_address: str, settings: Mapping[str, object]
    ) -> None:
        if not relays:
            raise ValueError("a service has at least one relay")
        self._relays = relays
        self._from_address = from_address
        self._settings = settings
        self.sandbox = SandboxRelay()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(quiet())
            stack.enter_context(_switch_interval())
            folder = stack.enter_context(
                tempfile.TemporaryDirectory(
                    prefix="postroom-", ignore_cleanup_errors=True
                )
            )
            stack.enter_context(self.sandbox)
            self._app = stack.enter_context(
                App(self._config(Path(folder)), open_store=open_in_memory)
            )
            # Attempts under way end with their links, and hold up nobody.
            stack.callback(self.sandbox.stop)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def target(self) -> str:
        """Where callers find it."""
        return self._app.server.address

    def reset(self, client: Client) -> None:
        """Be as new.  Raises `TimeoutError` when attempts under way do not end."""
        self.sandbox.forget_trouble()
        ends_at = time.monotonic() + QUIET_WITHIN
        while unsettled := [d for d in client.list() if not d.result.is_final]:
            if time.monotonic() > ends_at:
                raise TimeoutError(f"{len(unsettled)} mails are still under way")
            self.sandbox.cut()
            for delivery in unsettled:
                _cancel(client, delivery)
        self._forget_mail()
        for name in self._relays:
            # One that refused us is left alone for a while, unless it is tried.
            if client.health(f"relays/{name}") is not Health.SERVING:
                client.test_connection(name)

    def _forget_mail(self) -> None:
        later = after(SystemClock().now(), _LONG_AFTER)
        at_once = Retention(content=0, deliveries=0, events=0)
        while self._app.engine.outbox.purge(later, at_once):
            pass
        self.sandbox.forget_mail()

    def _config(self, folder: Path) -> Config:
        keys: dict[str, object] = {
            "listen": "127.0.0.1:0",
            "default_relay": self._relays[0],
            "store.url": f"sqlite:///{folder / 'postroom.db'}",
        }
        for name in self._relays:
            own = {
                "host": "127.0.0.1",
                "port": self.sandbox.port,
                "encryption": "none",
                "from_address": self._from_address,
                **_QUICK,
            }
            keys |= {f"relays.{name}.{key}": value for key, value in own.items()}
        variables = {**_variables(keys), **_variables(self._settings)}
        try:
            return load_config(None, variables)
        except ConfigError as error:
            raise ValueError(str(error)) from None


def _cancel(client: Client, delivery: Delivery) -> None:
    with suppress(FailedPrecondition):
        client.cancel(delivery.name)


def _variables(keys: Mapping[str, object]) -> dict[str, str]:
    """Keys of the configuration as its variables."""
    return {
        f"POSTROOM_{key.upper().replace('.', '__')}": (
            value if isinstance(value, str) else json.dumps(value)
        )
        for key, value in keys.items()
    }


@contextmanager
def _switch_interval() -> Iterator[None]:
    """The service sets it for itself; it is the whole process's."""
    before = sys.getswitchinterval()
    try:
        yield
    finally:
        sys.setswitchinterval(before)
