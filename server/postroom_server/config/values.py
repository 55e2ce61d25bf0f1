"""The configuration as the rest of the server sees it: checked, complete, frozen.

Durations are in seconds.  Parts that belong to one package are of that package's own
type; `app` hands them on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from postroom_server.domain.limits import Limits
from postroom_server.domain.pacing import NO_LIMITS, Circuit
from postroom_server.domain.pacing import Limits as PaceLimits
from postroom_server.domain.principal import Credential
from postroom_server.domain.secret import Secret
from postroom_server.domain.submission import RetryPolicy
from postroom_server.rpc.settings import TlsSettings
from postroom_server.smtp.settings import Encryption
from postroom_server.smtp.timeouts import Timeouts
from postroom_server.telemetry.logs import LogSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayConfig:
    """One relay: how it is reached, logged in to, pooled and retried.

    *password* is what *password_file* held, where that is set; *token_command* or
    *token_file* give a token instead, at each connect.  *from_address* is for
    messages without a From; *envelope_from* replaces every reverse path when it is
    set.  *pool_size* counts sessions being opened as well; each may have *in_flight*
    mails under way.
    """

    id: str
    host: str
    port: int
    encryption: Encryption = Encryption.TLS
    username: str = ""
    password: Secret = field(default=Secret(""))
    password_file: str = ""
    token_command: tuple[str, ...] = ()
    token_file: str = ""
    token_timeout: float = 10.0
    auth_mechanism: str = ""
    from_address: str = ""
    envelope_from: str = ""
    pool_size: int = 10
    in_flight: int = 1
    idle_timeout: float = 300.0
    max_age: float = 3600.0
    max_messages: int = 500
    heartbeat: float = 30.0
    tls_ca_file: str = ""
    tls_verify: bool = True
    ehlo_name: str = ""
    timeouts: Timeouts = field(default=Timeouts())
    retry: RetryPolicy = field(default=RetryPolicy())
    limits: PaceLimits = field(default=NO_LIMITS)
    circuit: Circuit = field(default=Circuit())


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """How calls are taken, and how the service stops.

    *processes* share the port and the store; *one_core*: each keeps to one core of
    the machine.  *drain_delay* is how long health says
    NOT_SERVING before calls are refused, and *drain_grace* how long what is under way
    may then take.  *body_timeout* is from a call's headers to the end of its body.
    Without *tls* nothing is encrypted.
    """

    processes: int = 1
    one_core: bool = True
    drain_grace: float = 30.0
    drain_delay: float = 0.0
    body_timeout: float = 20.0
    tls: TlsSettings | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsConfig:
    """Where metrics are served; an empty *listen* says nowhere."""

    listen: str = ""
    beyond_loopback: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything that is configured.

    *listen* is "host:port" or "unix:/path"; *relays* are by id, at least one;
    *default_relay* is one of them, or empty where callers must name the relay.
    *store_url*: where processes share a store; empty where it is the file *store_path*.
    *objects_url*: where large octets are, other than in the database.
    *marks_folder* is theirs on this machine; empty: in the one for temporary files.
    Without *credentials* every caller is administrator; *tenants* have limits by id.
    """

    relays: Mapping[str, RelayConfig]
    listen: str = "127.0.0.1:50051"
    default_relay: str = ""
    store_path: Path = Path("postroom.db")
    store_url: str = ""
    store_password: Secret = field(default=Secret(""))
    store_password_file: str = ""
    marks_folder: str = ""
    objects_url: str = ""
    limits: Limits = field(default=Limits())
    credentials: tuple[Credential, ...] = ()
    tenants: Mapping[str, PaceLimits] = field(default_factory=dict)
    log: LogSettings = field(default=LogSettings())
    metrics: MetricsConfig = field(default=MetricsConfig())
    server: ServerConfig = field(default=ServerConfig())
