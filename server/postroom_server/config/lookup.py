"""Finding the declaration of a key, and what it says."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from postroom_server.config.errors import KeyPath
from postroom_server.config.schema import Root


def field_at(path: KeyPath) -> FieldInfo | None:
    """The declaration of the key, or None for what is inside one, or unknown."""
    table = table_at(path[:-1])
    return table.model_fields.get(path[-1]) if table else None


def table_at(path: KeyPath) -> type[BaseModel] | None:
    """The table that *path* leads to; an id leads to any relay's."""
    here: Any = Root
    for part in path:
        if isinstance(here, type) and issubclass(here, BaseModel):
            field = here.model_fields.get(part)
            here = field.annotation if field else None
        else:
            # dict[str, RelayTable]
            here = next(iter(get_args(here)[1:]), None)
    return here if isinstance(here, type) and issubclass(here, BaseModel) else None


def bounds(field: FieldInfo) -> tuple[float | None, float | None]:
    """The least and the greatest value of *field*, inclusive."""
    least = next((m.ge for m in field.metadata if hasattr(m, "ge")), None)
    most = next((m.le for m in field.metadata if hasattr(m, "le")), None)
    return least, most


def is_secret(field: FieldInfo | None) -> bool:
    """Whether the value of *field* must never be shown."""
    return field is not None and field.annotation is SecretStr
