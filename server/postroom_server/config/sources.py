"""Where the configuration comes from: a TOML file, and the environment over it.

Values of the environment are text and are read by the type of their key, so that
numbers and truths get by the schema, which is strict; a list or a whole table is
written as JSON.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource

from postroom_server.config.errors import ConfigError, KeyPath
from postroom_server.config.schema import Root

PREFIX = "POSTROOM_"
_BETWEEN = "__"
_PLACE = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|(end of document))\)")
Tree = dict[str, Any]
"""Tables within tables, as TOML gives them."""


def read_file(path: Path) -> Tree:
    """The tables of the file.  Raises `ConfigError` where it can't be read."""
    try:
        # Editors of Windows put a byte order mark before the text.
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{path}: {_located(str(error))}"]) from None
    except UnicodeDecodeError as error:
        text = f"{path}: is not UTF-8 (at byte {error.start})"
        raise ConfigError([text]) from None
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}"]) from None


def _located(words: str) -> str:
    found = _PLACE.fullmatch(words)
    if found is None:
        return words
    what, line, column, at_end = found.groups()
    return f"{at_end}: {what}" if at_end else f"line {line}, column {column}: {what}"


def variable(path: Iterable[str]) -> str:
    """The environment variable of the key."""
    return PREFIX + _BETWEEN.join(path).upper()


def read_environment(environ: Mapping[str, str]) -> Tree:
    """The tables that the variables of *environ* make up."""
    source = _Variables(_Environment, env_prefix=PREFIX, env_nested_delimiter=_BETWEEN)
    source.env_vars = {name.lower(): value for name, value in environ.items()}
    return source()


# Each base has a `model_config`, of related types.
class _Environment(BaseSettings, Root):  # type: ignore[misc]
    """`Root`, as pydantic-settings wants it."""


class _Variables(EnvSettingsSource):
    """Reads the variables that it is given, and leaves judging to `Root`."""

    def decode_complex_value(
        self,
        field_name: str,
        field: FieldInfo,
        value: Any,  # noqa: ANN401  as in the class above it
    ) -> Any:  # noqa: ANN401
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value


def merged(under: Tree, over: Tree) -> Tree:
    """*under* with the values of *over* in it, table by table."""
    result = dict(under)
    for name, value in over.items():
        below = result.get(name)
        if isinstance(below, dict) and isinstance(value, dict):
            result[name] = merged(below, value)
        else:
            result[name] = value
    return result


def strays(environ: Mapping[str, str], keys: Iterable[KeyPath]) -> Iterator[str]:
    """Problems of variables that mean to be configuration and name no table.

    Others use the prefix as well: the client, and orchestrators that describe a
    service of our name (POSTROOM_PORT).  So a variable is ours if it has two
    underscores in a row, or looks much like one of *keys*.
    """
    known = [_BETWEEN.join(path).upper() for path in keys]
    tables = {path[0].upper() for path in keys if len(path) > 1}
    for name in sorted(environ):
        rest = name.upper().removeprefix(PREFIX)
        if rest == name.upper() or rest in known or rest in tables:
            continue
        if rest.partition(_BETWEEN)[0] in tables and _BETWEEN in rest:
            continue
        near = difflib.get_close_matches(rest, known, n=1, cutoff=0.8)
        if near:
            yield f"{name}: unknown variable (did you mean {PREFIX}{near[0]}?)"
        elif _BETWEEN in rest:
            yield f"{name}: unknown variable"
