"""Generate the Python stubs and the descriptor set, or check that they are fresh.

    python protos/generate.py [--check] OUTPUT_ROOT

Runs with the pinned generator of its own environment (see the Makefile): the
generator's version is the oldest grpcio and protobuf that a caller may have.
"""

from __future__ import annotations

import argparse
import filecmp
import sys
import tempfile
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

PROTOS = Path(__file__).parent
PACKAGE = "postroom/v1"
DESCRIPTORS = "postroom_v1.binpb"


def generate(root: Path) -> None:
    """Write stubs, typing stubs and the descriptor set below *root*."""
    target = root / PACKAGE
    target.mkdir(parents=True, exist_ok=True)
    for stale in target.glob("*"):
        if stale.is_file():
            stale.unlink()
    sources = sorted(
        str(p.relative_to(PROTOS)) for p in PROTOS.glob(f"{PACKAGE}/*.proto")
    )
    services = [s for s in sources if s.endswith("_service.proto")]
    _protoc(sources, f"--python_out={root}", f"--mypy_out={root}")
    # Only services: for the others the plugin would write empty modules.
    _protoc(services, f"--grpc_python_out={root}", f"--mypy_grpc_out={root}")
    _protoc(
        sources,
        "--include_imports",
        "--include_source_info",
        f"--descriptor_set_out={target / DESCRIPTORS}",
    )
    (target / "__init__.py").write_text(
        '"""The generated contract, made by `make protos`. Never edited."""\n'
    )


def _protoc(sources: list[str], *options: str) -> None:
    well_known = Path(grpc_tools.__file__).parent / "_proto"
    binaries = Path(sys.executable).parent
    plugins = [
        f"--plugin={name}={binaries / name}"
        for name in ("protoc-gen-mypy", "protoc-gen-mypy_grpc")
    ]
    arguments = [
        "protoc",
        f"-I{PROTOS}",
        f"-I{well_known}",
        *plugins,
        *options,
        *sources,
    ]
    if protoc.main(arguments) != 0:
        sys.exit("protoc failed")


def differences(fresh: Path, committed: Path) -> list[str]:
    """Name every file that is missing, stale or surplus in *committed*."""
    names = {p.name for p in fresh.iterdir()}
    there = {p.name for p in committed.iterdir() if p.is_file()}
    changed = filecmp.cmpfiles(fresh, committed, names & there, shallow=False)[1]
    return sorted({*changed, *(names ^ there)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path, help="folder that holds postroom/v1")
    parser.add_argument(
        "--check", action="store_true", help="change nothing; fail if stale"
    )
    arguments = parser.parse_args()
    if not arguments.check:
        generate(arguments.root)
        return
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        stale = differences(Path(folder) / PACKAGE, arguments.root / PACKAGE)
    if stale:
        sys.exit(f"stale stubs, run `make protos`: {', '.join(stale)}")


if __name__ == "__main__":
    main()
