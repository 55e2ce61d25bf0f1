"""How a key of the configuration is declared: `key`, and the tables that hold keys."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

SECONDS = "seconds"
BYTES = "bytes"
DAY = 86_400.0


class Table(BaseModel):
    """A table of the configuration: its keys and no others, of their very types."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


def key(
    default: object,
    meaning: str,
    *,
    unit: str = "",
    least: float | None = None,
    most: float | None = None,
    otherwise: str = "",
) -> Any:  # noqa: ANN401  it stands for a value of the field's own type
    """A key with its *default*, its bounds (inclusive), and what the reference says.

    *otherwise* is what an absent key comes to, where its default is not the answer.
    """
    return Field(
        default,
        ge=least,
        le=most,
        description=meaning,
        json_schema_extra={"unit": unit, "otherwise": otherwise},
    )


def hidden(declared: Any) -> Any:  # noqa: ANN401  as above
    """A key whose mistakes are never repeated: a secret may have been put there."""
    declared.json_schema_extra["hidden"] = "yes"
    return declared


def seconds(
    default: float, meaning: str, least: float = 0.001, most: float = DAY
) -> Any:  # noqa: ANN401  as above
    """A key that is a length of time."""
    return key(default, meaning, unit=SECONDS, least=least, most=most)


def table(of: type[Table]) -> Any:  # noqa: ANN401  as above
    """A key that is a table of its own, empty where it is absent."""
    return Field(default_factory=of)


def note(field: FieldInfo, name: str) -> str:
    """What `key` was told about *field* under *name*."""
    extra = field.json_schema_extra
    return str(extra.get(name, "")) if isinstance(extra, dict) else ""
