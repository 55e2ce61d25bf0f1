"""Results as plain dictionaries: what `json` takes, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from enum import Enum
from typing import Any, ClassVar


class Plain:
    """A dataclass that turns itself into a dictionary and into JSON."""

    __slots__ = ()
    _derived: ClassVar[tuple[str, ...]] = ()

    def to_dict(self) -> dict[str, Any]:
        """Bare words, ISO 8601 times in UTC, bytes as hexadecimal digits."""
        names = (*(field.name for field in fields(self)), *self._derived)  # type: ignore[arg-type]
        return {name: plain(getattr(self, name)) for name in names}

    def to_json(self, *, indent: int | None = None) -> str:
        """`to_dict` as JSON text."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=indent)


def plain(value: object) -> object:
    """*value* in types that JSON knows."""
    match value:
        case Plain():
            return value.to_dict()
        case Enum():
            return value.value
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case bytes():
            return value.hex()
        case Mapping():
            return {key: plain(item) for key, item in value.items()}
        case tuple() | list():
            return [plain(item) for item in value]
        case _:
            return value
