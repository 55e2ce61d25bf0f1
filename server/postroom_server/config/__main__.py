"""Writes the reference of all keys: what `docs/reference/settings.md` must hold."""

from __future__ import annotations

import sys

from postroom_server.config.reference import page

if __name__ == "__main__":
    sys.stdout.write(page())
