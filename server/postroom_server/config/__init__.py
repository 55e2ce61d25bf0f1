"""The configuration: one TOML file, and the environment, which wins over it.

A variable is called POSTROOM_ and the key, with two underscores between its parts:
POSTROOM_RELAYS__MAIN__PORT is ``relays.main.port``.  A list is written as JSON.  All
faults are reported at once, one a line, each with the key or variable that has it.
`docs/reference/settings.md` lists every key.
"""

from __future__ import annotations

from postroom_server.config.errors import ConfigError
from postroom_server.config.load import load_config
from postroom_server.config.reference import Setting, describe
from postroom_server.config.show import print_config
from postroom_server.config.values import Config, RelayConfig, ServerConfig

__all__ = [
    "Config",
    "ConfigError",
    "RelayConfig",
    "ServerConfig",
    "Setting",
    "describe",
    "load_config",
    "print_config",
]
