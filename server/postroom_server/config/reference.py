"""Every key of the configuration, as `docs/reference/settings.md` has it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from postroom_server.config.errors import KeyPath, dotted
from postroom_server.config.keys import note
from postroom_server.config.lookup import bounds, is_secret
from postroom_server.config.schema import Root
from postroom_server.config.sources import variable
from postroom_server.config.text import toml_value

ANY_RELAY = "ID"
"""Stands for a relay's id in a described key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One key; *default* is as TOML has it, and *otherwise* what it then comes to."""

    key: str
    default: str
    otherwise: str
    range: str
    unit: str
    meaning: str
    secret: bool


def describe() -> tuple[Setting, ...]:
    """Every key there is, in the order of the reference."""
    return tuple(_setting(path, field) for path, field in _walk((), Root))


def key_paths() -> tuple[KeyPath, ...]:
    """The names of every key; a relay's id is `ANY_RELAY`."""
    return tuple(path for path, _ in _walk((), Root))


def page() -> str:
    """The reference, as Markdown."""
    rows = [_row(setting) for setting in describe()]
    return "\n".join([*_HEAD, *rows, ""])


def variables() -> str:
    """Every key as an environment variable: the end of the page about those."""
    rows = [f"| `{variable(path)}` | `{dotted(path)}` |" for path, _ in _walk((), Root)]
    return "\n".join([*_VARIABLES_HEAD, *rows, ""])


def _walk(path: KeyPath, table: type[BaseModel]) -> Iterator[tuple[KeyPath, FieldInfo]]:
    """Keys first, then the tables below, as TOML wants them."""
    below: list[tuple[KeyPath, type[BaseModel]]] = []
    for name, field in table.model_fields.items():
        inner = _table_of(field)
        if inner is None:
            yield (*path, name), field
        else:
            by_id = () if inner is field.annotation else (ANY_RELAY,)
            below.append(((*path, name, *by_id), inner))
    for inner_path, inner in below:
        yield from _walk(inner_path, inner)


def _table_of(field: FieldInfo) -> type[BaseModel] | None:
    """The table that *field* is, or that it holds by id."""
    candidate: object
    for candidate in (field.annotation, *get_args(field.annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _setting(path: KeyPath, field: FieldInfo) -> Setting:
    least, most = bounds(field)
    return Setting(
        key=dotted(path),
        default=_default(field),
        otherwise=note(field, "otherwise"),
        range="" if least is None or most is None else f"{_n(least)} to {_n(most)}",
        unit=note(field, "unit"),
        meaning=field.description or "",
        secret=is_secret(field),
    )


def _default(field: FieldInfo) -> str:
    match field.default:
        case None:
            return ""
        case SecretStr():
            return toml_value("")
        case default:
            return toml_value(default)


def _n(value: float) -> str:
    return f"{value:,.12g}"


def _row(setting: Setting) -> str:
    cells = (
        f"`{setting.key}`",
        setting.otherwise or f"`{setting.default}`",
        " ".join(filter(None, (setting.range, setting.unit))),
        setting.meaning + (" Secret." if setting.secret else ""),
    )
    return f"| {' | '.join(cells)} |"


_HEAD = (
    "# Settings",
    "",
    "`postroomd --config postroom.toml` reads this file; every key can also be given",
    "as an environment variable, which wins: `POSTROOM_` and the key in capitals, with",
    "two underscores between its parts.",
    "`POSTROOM_RELAYS__MAIN__HOST` is `relays.main.host`;",
    "a list is written as JSON: `POSTROOM_RELAYS__MAIN__RETRY__QUICK_DELAYS=[1, 5]`.",
    "Relative paths start from the working directory.",
    "All mistakes are told at once, one a line; unknown keys are mistakes.",
    "`--check-config` stops after looking, `--print-config` shows what is in force.",
    "",
    f"`{ANY_RELAY}` is a relay's id, 1 to 63 of a-z, 0-9, _ and -; callers know the",
    f'relay as `"relays/{ANY_RELAY}"`.',
    "",
    "| key | default | range | meaning |",
    "|---|---|---|---|",
)
_VARIABLES_HEAD = (
    "## Every key as a variable",
    "",
    f"`{ANY_RELAY}` stands for an id of your own, in capitals.",
    "",
    "| variable | key |",
    "|---|---|",
)
