"""Values as TOML writes them, and numbers as people do."""

from __future__ import annotations

import json
import re

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def toml_key(name: str) -> str:
    """*name* as a key, in quotes where it needs them."""
    return name if _BARE_KEY.fullmatch(name) else toml_value(name)


def toml_value(value: object) -> str:
    """*value* as TOML has it: text, a number, a truth or a list of these.

    Raises `TypeError` for anything else: it has no place in a configuration.
    """
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            # TOML's basic strings are JSON's, but for DEL, which it wants escaped.
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case list() | tuple():
            return f"[{', '.join(map(toml_value, value))}]"
    raise TypeError(f"no TOML for {type(value).__name__}")


def number(value: float) -> str:
    """*value* without an exponent or needless zeros."""
    return f"{value:.12g}"
