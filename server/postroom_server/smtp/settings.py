"""How a relay is reached and how many sessions it gets.  Durations are seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from postroom_server.domain.secret import Secret
from postroom_server.smtp.timeouts import DeadlineSource, Timeouts


class Encryption(Enum):
    """How the connection is protected; the words of the configuration."""

    NONE = "none"
    """Plain."""
    TLS = "tls"
    """STARTTLS, required (RFC 3207)."""
    SSL = "ssl"
    """TLS from the first octet (RFC 8314)."""


ENVELOPE_AHEAD = 2
"""Transactions in a session with PIPELINING alone: one, and the next one's envelope."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSettings:
    """Limits of one relay's pool.

    *max_size* counts sessions being opened as well.  *idle_timeout*, *max_age* and
    *max_messages* are spread by *jitter* (a share of them), so that a fleet does not
    reconnect at once.  A session silent for *noop_after* is asked NOOP before reuse,
    and an idle one each *heartbeat*.  *max_wait* is for a session to become free.
    """

    max_size: int = 10
    idle_timeout: float = 300.0
    max_age: float = 3600.0
    max_messages: int = 500
    heartbeat: float = 30.0
    noop_after: float = 5.0
    jitter: float = 0.1
    max_waiting: int = 1024
    max_wait: float = 300.0


class TokenGiver(Protocol):
    """Gives a token for each log-in by OAuth."""

    def ask(self, deadline: DeadlineSource) -> Secret:
        """A token.  Raises `SessionError`."""

    def close(self) -> None:
        """Give up what is being asked, for good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelaySettings:
    """One relay.

    *tls_ca_file* is trusted instead of the system's authorities; empty: those.
    *tokens* stand for the password where the relay wants OAuth.  *auth_mechanism*
    empty: the first of PLAIN and LOGIN that is offered, and with *tokens* the first of
    OAUTHBEARER and XOAUTH2.  *ehlo_name* empty: our host's name if it is a full one,
    else our address.  *one_flight* is how
    large content may be to go in one write with its envelope where the relay takes
    that: it saves a round trip, and is sent for nothing if the envelope is refused.
    *in_flight* is how many mails a session may have under way where the relay offers
    PIPELINING and CHUNKING: if it breaks, the fate of so many is unknown.
    """

    id: str
    host: str
    port: int
    encryption: Encryption = Encryption.TLS
    username: str = ""
    password: Secret = field(default=Secret(""))
    tokens: TokenGiver | None = None
    auth_mechanism: str = ""
    tls_verify: bool = True
    tls_ca_file: str = ""
    ehlo_name: str = ""
    one_flight: int = 2 * 1024 * 1024
    in_flight: int = 1
    timeouts: Timeouts = field(default=Timeouts())
    pool: PoolSettings = field(default=PoolSettings())

    @property
    def most_in_flight(self) -> int:
        """How many transactions there may ever be under way at once."""
        return self.pool.max_size * max(self.in_flight, ENVELOPE_AHEAD)
