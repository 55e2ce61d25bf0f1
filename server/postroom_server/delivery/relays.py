"""The configured relays, by the names that callers use."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from postroom_server.delivery.relay import Relay
from postroom_server.domain.errors import (
    InvalidArgument,
    NoDefaultRelay,
    Problem,
    RelayNotFound,
)

_NAME = re.compile(r"relays/([a-z0-9_-]{1,63})")


class Relays:
    """Finds relays; *default* is a bare id or empty."""

    def __init__(self, by_id: Mapping[str, Relay], default: str = "") -> None:
        self.by_id = by_id
        self._default = default

    def find(self, name: str) -> Relay:
        """The relay called *name* ("relays/main"), or the default one for "".

        Raises `NoDefaultRelay`, `RelayNotFound`, or `InvalidArgument` for what can't
        be a relay's name.
        """
        if not name:
            return self._of_id(self._default_id(), name)
        match = _NAME.fullmatch(name)
        if match is None:
            raise InvalidArgument([Problem("relay", 'must look like "relays/main"')])
        return self._of_id(match[1], name)

    def __iter__(self) -> Iterator[Relay]:
        return iter(self.by_id.values())

    def _default_id(self) -> str:
        if not self._default:
            raise NoDefaultRelay(
                "the request names no relay and none is the default", "relays/"
            )
        return self._default

    def _of_id(self, relay_id: str, name: str) -> Relay:
        relay = self.by_id.get(relay_id)
        if relay is None:
            raise RelayNotFound(name)
        return relay
