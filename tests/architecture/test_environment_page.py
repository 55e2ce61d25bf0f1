"""Every environment variable that is read stands on its page, and no other."""

from __future__ import annotations

import re

import pytest
from postroom._service import DEFAULTS, PLACE
from postroom.arguments import ClientArguments
from postroom_server.config import load_config
from postroom_server.config.reference import key_paths, variables
from postroom_server.config.sources import variable

from tests.support.sources import CLIENT, ROOT, SERVER

PAGE = (ROOT / "docs/reference/environment.md").read_text(encoding="utf-8")
HAND_WRITTEN = PAGE.partition("## Every key as a variable")[0]
NAME = re.compile(r"\bPOSTROOM_[A-Z]+(?:_+[A-Z0-9]+)*\b")
READ = re.compile(
    r"(?:environ(?:\.get)?[\[(]\s*\"|export |make .*)(POSTROOM_[A-Z_]+[A-Z])\b"
)
"""How tests and scripts read or set one."""
ROW = re.compile(r"^\| `(POSTROOM_[A-Z0-9_]+)`", re.MULTILINE)
OF_ORCHESTRATORS = {"POSTROOM_PORT"}
KEYS = {variable(path) for path in key_paths()}
OF_FRAMEWORKS = {f"POSTROOM_{n.rstrip('_').upper()}" for n in (*PLACE, *DEFAULTS)}
OF_THE_CLIENT = {
    f"POSTROOM_{name.upper()}"
    for name in ClientArguments.__annotations__
    if name not in {"timeout", "max_attempts"}
}
TEXTS = {".py", ".go", ".ts", ".java", ".toml", ".service", ""}


def is_key(name: str) -> bool:
    """Whether it is a key, with any id in the place of one, or the start of one."""
    parts = name.split("__")
    return any(
        all(
            want in ("ID", have)
            for want, have in zip(key.split("__"), parts, strict=False)
        )
        for key in KEYS
        if "__" in name or key == name
    )


def texts(*folders):
    made = {"node_modules", "dist", "gen", "target", "__pycache__", "v1"}
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and not made & set(path.parts) and path.suffix in TEXTS:
                yield path.read_text(encoding="utf-8")


def named() -> set[str]:
    """The variables that the product names."""
    found = set()
    for text in texts(CLIENT, SERVER, "examples", "deploy"):
        found |= set(NAME.findall(text))
    keyed = {name for name in found if is_key(name)}
    return found - keyed - (OF_FRAMEWORKS - OF_THE_CLIENT) - OF_ORCHESTRATORS


def of_tests() -> set[str]:
    """The variables that tests and scripts read."""
    scripts = [ROOT / "Makefile", ROOT / ".ci/run"]
    sources = [*texts("tests"), *(path.read_text("utf-8") for path in scripts)]
    found = {name for text in sources for name in READ.findall(text)}
    return {name for name in found if not is_key(name)}


def test_the_page_lists_every_variable_and_no_other():
    assert set(ROW.findall(HAND_WRITTEN)) == named() | of_tests()


def test_the_page_lists_every_key_as_a_variable():
    assert PAGE.endswith(variables()), "make reference"


def test_there_is_a_variable_for_every_key():
    assert set(ROW.findall(variables())) == KEYS


@pytest.mark.parametrize("name", sorted(set(ROW.findall(HAND_WRITTEN))))
def test_what_others_read_does_not_stop_the_service(name):
    environ = {"POSTROOM_RELAYS__MAIN__HOST": "smtp.example.com", name: "x"}

    assert load_config(None, environ).default_relay == "main"
