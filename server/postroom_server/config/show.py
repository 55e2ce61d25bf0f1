"""The configuration in force, as a file that would make it again, less secrets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from postroom_server.config.checks import SQLITE
from postroom_server.config.keys import Table
from postroom_server.config.relay_schema import RelayTable, RetryTable, TimeoutsTable
from postroom_server.config.schema import LimitsTable, ServerTable
from postroom_server.config.text import toml_key, toml_value
from postroom_server.config.values import Config, RelayConfig

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
        "store": {"url": f"{SQLITE}{config.store_path}"},
        "relays": {name: _relay(relay) for name, relay in config.relays.items()},
        "limits": _in_force(LimitsTable, config.limits),
        "log": {
            "level": config.log.level.name.lower(),
            "format": config.log.format.value,
            "mask_addresses": config.log.mask_addresses,
        },
        "server": _in_force(ServerTable, config.server),
    }


def _relay(relay: RelayConfig) -> Values:
    given = relay.password and not relay.password_file
    return {
        **_in_force(RelayTable, relay),
        "encryption": relay.encryption.value,
        "password": MASK if given else "",
        "timeouts": _in_force(TimeoutsTable, relay.timeouts),
        "retry": _in_force(RetryTable, relay.retry),
    }


def _in_force(table: type[Table], values: object) -> dict[str, object]:
    return {key: getattr(values, key) for key in table.model_fields}
