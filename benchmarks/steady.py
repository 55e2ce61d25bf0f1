"""Whether memory stays the same while mail of mixed sizes goes through the service.

Eight callers, completion RELAYED; contents go when they were delivered.  Prints, after
every so many mails, what is resident, threads, files, and mails a second; and at the
end by how much memory grew for each mail, from the second quarter to the last.

    python -m benchmarks.steady [--mails 20000] [--every 1000]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.gates.steady import grown, steady


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mails", type=int, default=20_000)
    parser.add_argument("--every", type=int, default=1000)
    asked = parser.parse_args()
    print("     mails      MiB  threads    files    mails/s")
    found = []
    with tempfile.TemporaryDirectory() as folder, steady(Path(folder)) as service:
        for sample in service.samples(asked.mails, asked.every):
            found.append(sample)
            print(
                f"{sample.mails:10}{sample.resident / 2**20:9.1f}{sample.threads:9}"
                f"{sample.files:9}{sample.rate:11.0f}",
                flush=True,
            )
    print(f"it grew by {grown(found):.1f} octets a mail")


if __name__ == "__main__":
    main()
