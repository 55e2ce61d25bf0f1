"""Where HTTP is served, and the bounds of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """*listen* is "host:port" (port 0: any free one); durations are in seconds.

    At most *most_visitors* are served at once, each for at most *longest_visit*.
    """

    listen: str = "127.0.0.1:9464"
    most_visitors: int = 4
    longest_visit: float = 10.0

    @property
    def host(self) -> str:
        """Without the brackets of an IPv6 address."""
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.listen.rpartition(":")[2])
