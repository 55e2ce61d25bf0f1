"""Where the processor time of a mail goes, in microseconds, by stage.

SendMessage, 10 KB of text, completion RELAYED, a file as the store.  Service, relay and
callers are processes of their own.  Measuring itself adds a little to each stage.

    python -m benchmarks.stages [--seconds 8] [--callers 8]
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from benchmarks.fleet import load
from tests.support.counting_process import sink
from tests.support.process import daemon, free_port
from tests.support.service import plain, settings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--callers", type=int, default=8)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, sink() as relay:
        folder = Path(name)
        file = folder / "stages.json"
        relays = {"main": plain(relay.port, pool_size=asked.callers)}
        config = settings(folder, relays, 'log = { level = "warning" }')
        program = {"program": "benchmarks.staged", "STAGES_FILE": str(file)}
        with daemon(config, free_port(), **program) as service:
            load(service.target, asked.callers, asked.seconds)
        found = json.loads(file.read_text())
    print("| stage | µs |", "|---|---|", sep="\n")
    for stage, spent in found.items():
        print(f"| {stage:46} | {spent:8,.0f} |")
    print(f"| {'all':46} | {sum(found.values()):8,.0f} |")


if __name__ == "__main__":
    main()
