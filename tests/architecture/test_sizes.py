"""Nothing has grown so large that it hides what it does.

These figures start a conversation.  What is better left longer is named in
`EXCEPTIONS`, with the reason.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.sources import CLIENT, ROOT, SERVER, python_files, shown

MOST = {"file": 400, "class": 300, "function": 40, "parameters": 6}
MOST_OF_TESTS = {"file": 500, "class": 300, "function": 50, "parameters": math.inf}
"""Tables are long, and a test tells its story in one place."""

EXCEPTIONS: dict[str, str] = {
    "client/postroom/cli/send.py: send parameters": "they are the command's options",
    "server/postroom_server/delivery/engine.py: DeliveryEngine.__init__ function": (
        "only wires its parts, one after the other"
    ),
}
"""By what `excesses` calls them: why they may stay."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def excesses(
    path: Path, *, names: str, most: Mapping[str, float] = MOST
) -> Iterator[str]:
    """What in the module at *path* is larger than it should be."""
    source = path.read_text(encoding="utf-8")
    if source.count("\n") > most["file"]:
        yield f"{names} file"
    for name, node in _definitions(ast.parse(source)):
        if isinstance(node, ast.ClassDef):
            if _length(node) > most["class"]:
                yield f"{names}: {name} class"
            continue
        if _length(node) > most["function"]:
            yield f"{names}: {name} function"
        if _parameters(node) > most["parameters"]:
            yield f"{names}: {name} parameters"


def _definitions(
    tree: ast.AST, around: str = ""
) -> Iterator[tuple[str, Function | ast.ClassDef]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Function | ast.ClassDef):
            yield f"{around}{node.name}", node
            yield from _definitions(node, f"{around}{node.name}.")
        else:
            yield from _definitions(node, around)


def _length(node: Function | ast.ClassDef) -> int:
    """Lines of the body, less the docstring; parameters are counted by themselves."""
    body = node.body
    if ast.get_docstring(node, clean=False) is not None:
        body = body[1:]
    return (node.end_lineno or 0) - body[0].lineno + 1 if body else 0


def _parameters(node: Function) -> int:
    """Parameters less self, and less what is an option of a command line."""
    given = node.args
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    return sum(
        parameter.arg not in {"self", "cls"} and not _is_option(parameter)
        for parameter in named
    )


def _is_option(parameter: ast.arg) -> bool:
    match parameter.annotation:
        case ast.Subscript(value=ast.Name(id="Annotated")):
            return True
    return False


def test_no_module_class_or_function_is_too_large():
    found = [
        excess
        for path in python_files(SERVER, CLIENT)
        for excess in excesses(path, names=shown(path))
    ]

    assert [excess for excess in found if excess not in EXCEPTIONS] == []
    assert [name for name in EXCEPTIONS if name not in found] == [], "needless"


def test_no_test_is_too_large():
    found = [
        excess
        for path in python_files(ROOT / "tests")
        for excess in excesses(path, names=shown(path), most=MOST_OF_TESTS)
    ]

    assert found == []


LONG_BODY = "\n".join(["    x = 1"] * 41)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("x = 1\n" * 400, []),
        ("x = 1\n" * 401, ["m.py file"]),
        ("def f(a, b, c, d, e, *, f): ...", []),
        ("def f(a, b, c, d, e, f, *, g): ...", ["m.py: f parameters"]),
        ("def f(a, b, c, d, e, f, g: Annotated[int, Option()]): ...", []),
        ("class A:\n  def f(self, a, b, c, d, e, f): ...", []),
        (f"def f():\n{LONG_BODY}", ["m.py: f function"]),
        (f'def f():\n    """{LONG_BODY}"""\n    x = 1', []),
        (f"async def f():\n{LONG_BODY}", ["m.py: f function"]),
        ("class A:\n" + "    x = 1\n" * 301, ["m.py: A class"]),
    ],
)
def test_the_ruler_measures(tmp_path, source, found):
    path = tmp_path / "m.py"
    path.write_text(source)

    assert list(excesses(path, names="m.py")) == found
