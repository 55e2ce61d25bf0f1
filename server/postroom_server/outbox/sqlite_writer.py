"""Writing into the file of SQLite: what its connection needs besides commits."""

from __future__ import annotations

import contextlib
import sqlite3

from postroom_server.outbox.writer import Writer

KEPT_PAGES = 1024
GIVEN_BACK_PAGES = 1024
"""Free pages, of 4 KiB: how many stay, and how many one turn gives back."""


class SqliteWriter(Writer):
    """The writing connection of a file; of these there is one."""

    BEGIN = "BEGIN IMMEDIATE"

    def tidy(self) -> bool:
        """Do a little of what can wait; whether there is more of it.

        Moves the log into the database, and gives back pages that purging freed; some
        are kept for new mail, so that the file does not shrink and grow all day.
        """
        connection = self._connection
        assert isinstance(connection, sqlite3.Connection)
        free = 0
        with contextlib.suppress(sqlite3.Error):
            ((free,),) = connection.execute("PRAGMA freelist_count").fetchall()
            if free > KEPT_PAGES:
                # Not `execute`, which would run it for one page only.
                pages = min(GIVEN_BACK_PAGES, free - KEPT_PAGES)
                connection.executescript(f"PRAGMA incremental_vacuum({pages})")
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        return free > KEPT_PAGES + GIVEN_BACK_PAGES
