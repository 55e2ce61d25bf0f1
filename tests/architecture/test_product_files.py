"""The files of the repository speak of the product alone, and of all of it."""

from __future__ import annotations

import ast
import re

import pytest

from tests.support.sources import (
    CLIENT,
    ROOT,
    SERVER,
    product_files,
    python_files,
    shown,
)

# Each pattern has a letter in brackets, so that this file does not match itself.
FORBIDDEN = {
    "a folder of one machine": re.compile(r"/[w]ork/|/[r]oot/|/[h]ome/\w"),
    "a folder beside the repository": re.compile(r"\.\./[s]hared"),
    "the host of a package registry": re.compile(
        r"[p]ypi\.org|[p]ythonhosted|[p]roxy\.golang\.org|[r]egistry\.npmjs"
    ),
    "a note to do it later": re.compile(r"\b([T]ODO|[F]IXME|[X]XX)\b"),
}
VAGUE = re.compile(
    r"(^|_|(?<=[a-z]))(manager|helpers?|utils?|handler|Manager|Helper|Utils?|Handler)"
    r"(_|$|(?=[A-Z]))|^_*(process|do)_"
)
"""Names that say nothing; docs/glossary.md has better ones."""
NAMED_ELSEWHERE = frozenset({"do_GET", "do_HEAD", "process_request"})
"""Methods that a class of the standard library calls."""
TOLD_ELSEWHERE = {
    "shared": "its docstring would be the command's help",
    "upgrade": "what it is is Alembic's to say",
}
"""Functions without a docstring: why."""


def definitions(tree):
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return [node for node in ast.walk(tree) if isinstance(node, kinds)]


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_names(what):
    found = [
        f"{shown(path)}:{number}: {line.strip()}"
        for path in product_files()
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if FORBIDDEN[what].search(line)
    ]

    assert found == []


def test_the_readme_is_read_in_five_minutes():
    path = ROOT / "README.md"
    if not path.exists():
        pytest.skip("there is no README.md yet")

    assert len(path.read_text(encoding="utf-8").splitlines()) < 120


def test_every_module_says_what_it_is_about():
    silent = [
        shown(path)
        for path in python_files(SERVER, CLIENT)
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]

    assert silent == []


def test_every_public_class_says_what_it_is():
    silent = [
        f"{shown(path)}: {node.name}"
        for path in python_files(SERVER, CLIENT)
        for node in definitions(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
        and len(node.body) > 2
    ]

    assert silent == []


def test_every_public_function_of_a_module_says_what_it_gives():
    silent = [
        f"{shown(path)}: {node.name}"
        for path in python_files(SERVER, CLIENT)
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
        and node.name not in TOLD_ELSEWHERE
    ]

    assert silent == []


def test_no_name_says_nothing():
    vague = [
        f"{shown(path)}: {name}"
        for path in python_files(SERVER, CLIENT)
        for name in (
            path.stem,
            *(
                node.name
                for node in definitions(ast.parse(path.read_text(encoding="utf-8")))
            ),
        )
        if VAGUE.search(name) and name not in NAMED_ELSEWHERE
    ]

    assert vague == []


@pytest.mark.parametrize(
    ("name", "vague"),
    [
        ("PoolManager", True),
        ("smtp_helper", True),
        ("utils", True),
        ("process_mail", True),
        ("RequestHandler", True),
        ("Handlers", False),
        ("Settlement", False),
        ("domain", False),
        ("done", False),
    ],
)
def test_vague_names_are_known(name, vague):
    assert bool(VAGUE.search(name)) == vague
