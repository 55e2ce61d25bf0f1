"""`python -m postroom.cli`."""

from __future__ import annotations

from postroom.cli import main

main()
