"""The configuration in force, as a file that would make it again, less secrets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from postroom_server.config.access_schema import TlsTable
from postroom_server.config.checks import SQLITE
from postroom_server.config.keys import Table
from postroom_server.config.relay_schema import (
    CircuitTable,
    RelayTable,
    RetryTable,
    TimeoutsTable,
)
from postroom_server.config.schema import LimitsTable, MetricsTable, ServerTable
from postroom_server.config.text import toml_key, toml_value
from postroom_server.config.values import Config, RelayConfig
from postroom_server.domain.clock import MICROSECONDS, Instant
from postroom_server.domain.pacing import Limits
from postroom_server.domain.principal import Credential

MASK = "********"

Values = Mapping[str, object]


def print_config(config: Config) -> str:
    """*config* as TOML, every key of it; each secret that is set reads `MASK`.

    A password that came from a file is not in it; the file's name is.
    """
    return "\n".join(_lines("", _tables(config))) + "\n"


def _lines(name: str, values: Values) -> Iterator[str]:
    tables = {key: value for key, value in values.items() if isinstance(value, Mapping)}
    if name and len(tables) < len(values):
        yield f"\n[{name}]"
    for key, value in values.items():
        if key not in tables:
            yield f"{toml_key(key)} = {toml_value(value)}"
    for key, table in tables.items():
        yield from _lines(f"{name}.{toml_key(key)}".lstrip("."), table)


def _tables(config: Config) -> Values:
    """The keys of the schema with the values in force, in the schema's order."""
    return {
        "listen": config.listen,
        "default_relay": config.default_relay,
        "store": _store(config),
        "relays": {name: _relay(relay) for name, relay in config.relays.items()},
        "credentials": {c.principal.name: _credential(c) for c in config.credentials},
        "tenants": {name: _tenant(own) for name, own in config.tenants.items()},
        "limits": _in_force(LimitsTable, config.limits),
        "log": {
            "level": config.log.level.name.lower(),
            "format": config.log.format.value,
            "mask_addresses": config.log.mask_addresses,
        },
        "metrics": _in_force(MetricsTable, config.metrics),
        "server": {
            **_in_force(ServerTable, config.server),
            "tls": _in_force(TlsTable, config.server.tls or TlsTable()),
        },
    }


def _credential(credential: Credential) -> Values:
    """Digests of random tokens give nothing away, and make the same file again."""
    principal = credential.principal
    return {
        "tenant": principal.tenant,
        "role": principal.role.value,
        "senders": principal.senders,
        "token_sha256": [digest.hex() for digest in credential.token_digests],
        "certificates": credential.certificates,
        "expires_at": time_text(credential.expires_at),
    }


def _store(config: Config) -> Values:
    url = config.store_url or f"{SQLITE}{config.store_path}"
    return {
        "url": url,
        "password_file": config.store_password_file,
        "objects_url": config.objects_url,
        "marks_folder": config.marks_folder,
    }


def _relay(relay: RelayConfig) -> Values:
    given = relay.password and not relay.password_file
    pace = relay.limits
    return {
        **{
            key: getattr(pace if hasattr(pace, key) else relay, key)
            for key in RelayTable.model_fields
        },
        "encryption": relay.encryption.value,
        "password": MASK if given else "",
        "timeouts": _in_force(TimeoutsTable, relay.timeouts),
        "retry": _in_force(RetryTable, relay.retry),
        "circuit": _in_force(CircuitTable, relay.circuit),
    }


def _tenant(limits: Limits) -> Values:
    return {
        "max_per_second": limits.max_per_second,
        "burst": limits.burst,
        "max_recipients_per_day": limits.max_recipients_per_day,
        "concurrent_sessions": limits.concurrent_sessions,
    }


def _in_force(table: type[Table], values: object) -> dict[str, object]:
    return {key: getattr(values, key) for key in table.model_fields}


def time_text(moment: Instant | None) -> str:
    """*moment* as a configuration has it."""
    if moment is None:
        return ""
    when = datetime.fromtimestamp(moment / MICROSECONDS, UTC)
    return when.isoformat().replace("+00:00", "Z")
