"""What the schema found wrong, in one line a fault and in the operator's words.

A line never shows the value of a secret, of a table or of an unknown key: a password
may have been put in the wrong place.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from postroom_server.config.errors import KeyPath
from postroom_server.config.keys import note
from postroom_server.config.lookup import bounds, field_at, is_secret, table_at
from postroom_server.config.text import number
from postroom_server.domain.text import printable

_SHOWN = 60
"""Octets of a wrong value that are shown."""


def schema_problems(error: ValidationError) -> Iterator[tuple[KeyPath, str]]:
    """Each fault's key, and what is wrong with it."""
    for details in error.errors(include_url=False, include_context=True):
        path = tuple(str(part) for part in details["loc"])
        yield path, _words(path, details)


def _words(path: KeyPath, details: ErrorDetails) -> str:
    if details["type"] == "extra_forbidden":
        return f"unknown key{suggestion(path[-1], _siblings(path))}"
    field = field_at(path)
    demand, given = _demand(details, field), details["input"]
    if demand == _TABLE and isinstance(given, str):
        # It may be a table that was meant as JSON, its secrets and all.
        return demand
    return demand + _got(given, field)


def _demand(details: ErrorDetails, field: FieldInfo | None) -> str:
    kind, context = details["type"], details.get("ctx", {})
    if kind in {"greater_than_equal", "less_than_equal"}:
        return _range(field, context)
    if kind == "literal_error":
        choices = str(context["expected"]).replace("''", "empty")
        return f"must be {choices}"
    if kind == "too_long":
        return f"must have at most {context['max_length']} entries"
    return next(
        (words for start, words in _DEMANDS.items() if kind.startswith(start)),
        "is not valid",
    )


_TABLE = "must be a table"
_DEMANDS = {
    "int": "must be a whole number",
    "float": "must be a number",
    "finite": "must be a finite number",
    "bool": "must be true or false",
    "string": "must be text",
    "list": "must be a list",
    "model": _TABLE,
    "dict": _TABLE,
}
"""By how pydantic's name of the fault begins."""


def _range(field: FieldInfo | None, context: Mapping[str, Any]) -> str:
    least, most = bounds(field) if field else (None, None)
    if least is None and most is None:
        # An entry of a list has its bounds in its own type.
        least, most = context.get("ge"), context.get("le")
    if least is not None and most is not None:
        return f"must be between {number(least)} and {number(most)}"
    if least is not None:
        return f"must be at least {number(least)}"
    return f"must be at most {number(most or 0)}"


def _got(value: object, field: FieldInfo | None) -> str:
    if field is not None and note(field, "hidden"):
        return ""
    if is_secret(field) or not isinstance(value, str | int | float):
        return ""
    if isinstance(value, bool):
        return f" (got {str(value).lower()})"
    shown = f"'{value}'" if isinstance(value, str) else number(value)
    return f" (got {printable(shown, _SHOWN)})"


def suggestion(name: str, known: Iterable[str]) -> str:
    """A hint at the one of *known* that *name* may have meant; else empty."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def _siblings(path: KeyPath) -> Iterable[str]:
    table = table_at(path[:-1])
    return table.model_fields if table else ()
