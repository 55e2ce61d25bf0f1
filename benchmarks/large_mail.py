"""What large mail costs the service: memory, time, and the patience of small mail.

Service, relay and caller are processes of their own.  `extra` is the peak of the
service's resident memory while the mail is received, composed and relayed, above what
it held before.  The second part is the p99 of small mails, sent one after the other,
alone and beside letters of 100 MB that follow each other without a pause.

    python -m benchmarks.large_mail [--small 1000]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from postroom_server.domain.limits import MB

from tests.gates.large import Letter, p99, post

LETTERS = {
    "100 MB text": Letter(text=100),
    "4 files of 25 MB": Letter(files=(25,) * 4),
    "all that is allowed": Letter(text=100, html=100, files=(25,) * 4),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", type=int, default=1000)
    count = parser.parse_args().small
    with tempfile.TemporaryDirectory() as folder, post(Path(folder)) as service:
        service.small_ones(50)
        service.relay.forget()
        for name, letter in LETTERS.items():
            extra, seconds = service.extra_memory(letter)
            print(f"{name:20} {extra / MB:6.1f} MB extra {seconds:6.1f} s")
        alone = p99(service.small_ones(count))
        beside = p99(service.small_ones_beside(count, LETTERS["100 MB text"]))
        print(
            f"small mail, p99: alone {alone * 1e3:.1f} ms, beside {beside * 1e3:.1f} ms"
        )


if __name__ == "__main__":
    main()
