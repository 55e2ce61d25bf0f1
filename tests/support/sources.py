"""The files of the product, for tests that read them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SERVER = ROOT / "server" / "postroom_server"
CLIENT = ROOT / "client" / "postroom"
GENERATED = CLIENT / "v1"

_FOLDERS = [
    "benchmarks",
    "client",
    "deploy",
    "docs",
    "examples",
    "protos",
    "server",
    "tests",
]
_TEXTS = frozenset(
    [
        ".cfg",
        ".go",
        ".html",
        ".java",
        ".js",
        ".json",
        ".md",
        ".proto",
        ".py",
        ".sh",
        ".sql",
        ".toml",
        ".ts",
        ".txt",
        ".xml",
        ".yaml",
        ".yml",
    ]
)


def python_files(*folders: Path) -> Iterator[Path]:
    """Every module written by hand below *folders*."""
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            if GENERATED not in path.parents and not _is_made(path):
                yield path


def product_files() -> Iterator[Path]:
    """Every text of the repository that is written by hand, tests included."""
    yield from (path for path in sorted(ROOT.iterdir()) if _is_text(path))
    for name in _FOLDERS:
        for path in sorted((ROOT / name).rglob("*")):
            if _is_text(path) and GENERATED not in path.parents and not _is_made(path):
                yield path


def shown(path: Path) -> str:
    """*path* as people name it: from the root of the repository."""
    return path.relative_to(ROOT).as_posix()


def _is_text(path: Path) -> bool:
    return path.is_file() and (path.suffix in _TEXTS or path.name == "Makefile")


def _is_made(path: Path) -> bool:
    made = {"__pycache__", "node_modules", "build", "dist", "gen", "target"}
    return any(p in made or p.endswith(".egg-info") for p in path.parts)
