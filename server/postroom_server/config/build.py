"""From checked tables to the values that the server uses."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Any

from postroom_server.config.access_checks import instant_of
from postroom_server.config.access_schema import CredentialTable
from postroom_server.config.checks import SQLITE
from postroom_server.config.credentials import password_in, password_of
from postroom_server.config.relay_schema import PORTS, RelayTable, RetryTable
from postroom_server.config.schema import LogTable, Root, ServerTable, StoreTable
from postroom_server.config.tenant_schema import TenantTable
from postroom_server.config.values import (
    Config,
    MetricsConfig,
    RelayConfig,
    ServerConfig,
)
from postroom_server.delivery.senders import sender_pattern
from postroom_server.domain.limits import Limits
from postroom_server.domain.pacing import Circuit
from postroom_server.domain.pacing import Limits as PaceLimits
from postroom_server.domain.principal import Credential, Principal, Role
from postroom_server.domain.secret import Secret
from postroom_server.domain.submission import RetryPolicy
from postroom_server.rpc.settings import TlsSettings
from postroom_server.smtp.settings import Encryption
from postroom_server.smtp.timeouts import Timeouts
from postroom_server.telemetry.logs import LogFormat, LogLevel, LogSettings

_PACE = {
    "max_per_second",
    "burst",
    "max_recipients_per_day",
    "connections_per_minute",
    "concurrent_sessions",
}


def build(root: Root) -> Config:
    """The configuration that *root* means; nothing may be wrong with it."""
    relays = {relay_id: _relay(relay_id, r) for relay_id, r in root.relays.items()}
    only = next(iter(relays)) if len(relays) == 1 else ""
    return Config(
        relays=MappingProxyType(relays),
        listen=root.listen,
        default_relay=root.default_relay or only,
        **_store(root.store),
        limits=Limits(**root.limits.model_dump()),
        tenants=MappingProxyType({t: _tenant(own) for t, own in root.tenants.items()}),
        credentials=tuple(_credential(*item) for item in root.credentials.items()),
        log=_log(root.log),
        metrics=MetricsConfig(**root.metrics.model_dump()),
        server=_server(root.server),
    )


def _store(store: StoreTable) -> dict[str, Any]:
    if store.url.startswith(SQLITE):
        return {"store_path": Path(store.url.removeprefix(SQLITE))}
    file = store.password_file
    return {
        "store_url": store.url,
        "store_password_file": file,
        "marks_folder": store.marks_folder,
        "objects_url": store.objects_url,
        "store_password": password_in(file) if file else Secret(""),
    }


def _relay(relay_id: str, relay: RelayTable) -> RelayConfig:
    plain = relay.model_dump(
        exclude={
            *("port", "encryption", "password", "token_command", "timeouts", "retry"),
            "circuit",
            *_PACE,
        }
    )
    return RelayConfig(
        id=relay_id,
        port=relay.port or PORTS[relay.encryption],
        encryption=Encryption(relay.encryption),
        password=password_of(relay),
        token_command=tuple(relay.token_command),
        timeouts=Timeouts(**relay.timeouts.model_dump()),
        retry=_retry(relay.retry),
        limits=PaceLimits(**relay.model_dump(include=_PACE)),
        circuit=Circuit(**relay.circuit.model_dump()),
        **plain,
    )


def _tenant(tenant: TenantTable) -> PaceLimits:
    return PaceLimits(**tenant.model_dump())


def _server(server: ServerTable) -> ServerConfig:
    tls = TlsSettings(**server.tls.model_dump()) if server.tls.cert_file else None
    return ServerConfig(**server.model_dump(exclude={"tls"}), tls=tls)


def _credential(name: str, credential: CredentialTable) -> Credential:
    principal = Principal(
        name=name,
        tenant=credential.tenant,
        role=Role(credential.role),
        senders=tuple(map(sender_pattern, credential.senders)),
    )
    return Credential(
        principal=principal,
        token_digests=tuple(map(bytes.fromhex, credential.token_sha256)),
        certificates=tuple(credential.certificates),
        expires_at=instant_of(credential.expires_at),
    )


def _retry(retry: RetryTable) -> RetryPolicy:
    delays = tuple(retry.quick_delays)
    return RetryPolicy(**{**retry.model_dump(), "quick_delays": delays})


def _log(log: LogTable) -> LogSettings:
    return LogSettings(
        level=LogLevel[log.level.upper()],
        format=LogFormat(log.format),
        mask_addresses=log.mask_addresses,
    )
