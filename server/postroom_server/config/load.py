"""From a file and the environment to a checked `Config`, or to all that is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from postroom_server.config.build import build
from postroom_server.config.checks import findings
from postroom_server.config.errors import ConfigError, Finding, KeyPath, dotted
from postroom_server.config.problems import schema_problems
from postroom_server.config.reference import key_paths
from postroom_server.config.schema import Root
from postroom_server.config.sources import (
    Tree,
    merged,
    read_environment,
    read_file,
    strays,
    variable,
)
from postroom_server.config.values import Config
from postroom_server.domain.text import printable

NO_FILE = "configuration"
"""Where a fault is said to be that neither a file nor a variable is the source of."""

_LONGEST = 1024
"""Octets of a problem."""


def load_config(path: Path | None, environ: Mapping[str, str]) -> Config:
    """The configuration in the file at *path*, with *environ* over it.

    Without a file the environment alone counts.  Relative paths in it start from the
    working directory.  Raises `ConfigError` with all problems at once.
    """
    under = {} if path is None else read_file(path)
    tree = merged(under, read_environment(environ))
    root, faults = _validated(tree)
    faults += _unless_known(findings(root), faults)
    problems = [*strays(environ, key_paths())]
    for key, text in faults:
        line = f"{_source(key, path, environ)}: {text}"
        problems.append(printable(line, _LONGEST))
    if problems:
        raise ConfigError(problems)
    return build(root)


def _validated(tree: Tree) -> tuple[Root, list[tuple[KeyPath, str]]]:
    """The tree's tables less what is malformed in them, and what that was."""
    try:
        return Root.model_validate(tree), []
    except ValidationError as error:
        faults = list(schema_problems(error))
    return Root.model_validate(_without(tree, [key for key, _ in faults])), faults


def _without(tree: Tree, keys: Sequence[KeyPath]) -> Tree:
    """*tree* less *keys* and less what is below them."""
    left: dict[str, Any] = {}
    for name, value in tree.items():
        below = [key[1:] for key in keys if key[0] == name]
        if () in below:
            continue
        if below and not isinstance(value, dict):
            # The fault is within a list.
            continue
        left[name] = _without(value, below) if below else value
    return left


def _unless_known(
    found: Iterator[Finding], faults: list[tuple[KeyPath, str]]
) -> list[tuple[KeyPath, str]]:
    """*found*, less what only follows from the malformed keys in *faults*."""
    malformed = [key for key, _ in faults]
    return [
        (finding.keys[0], finding.text)
        for finding in found
        if not any(_touches(key, bad) for key in finding.keys for bad in malformed)
    ]


def _touches(key: KeyPath, bad: KeyPath) -> bool:
    return key == bad[: len(key)] or bad == key[: len(bad)]


def _source(key: KeyPath, path: Path | None, environ: Mapping[str, str]) -> str:
    """The variable that has the key or the table around it, or the file and the key."""
    names = {name.upper(): name for name in environ}
    for length in range(len(key), 0, -1):
        name = variable(key[:length])
        if name in names:
            inside = f": {dotted(key)}" if length < len(key) else ""
            return f"{name}{inside}"
    return f"{NO_FILE if path is None else path}: {dotted(key)}"
