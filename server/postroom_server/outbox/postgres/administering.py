"""What operators do with a fleet's store."""

from __future__ import annotations

from contextlib import closing

from postroom_server.domain.clock import Clock
from postroom_server.outbox.errors import DRIVER_ERRORS, StoreAway
from postroom_server.outbox.postgres.connecting import Database, Link
from postroom_server.outbox.postgres.preparing import migrate


def migrate_database(database: Database, clock: Clock) -> list[str]:
    """Bring the store up to date, while it is served; the revisions applied.

    Raises `StoreUnusableError`.
    """
    try:
        with closing(Link.patient(database)) as link:
            return migrate(link, clock.now())
    except DRIVER_ERRORS as error:
        raise StoreAway(f"the database can't be used: {error}") from error
