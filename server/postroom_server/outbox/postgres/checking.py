"""Whether a fleet's store is sound, while it is served."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import partial

from postroom_server.outbox.checking import Finding, HasOctets, findings, found_by
from postroom_server.outbox.errors import DRIVER_ERRORS, StoreAway
from postroom_server.outbox.postgres.connecting import Database, Link
from postroom_server.outbox.postgres.preparing import check_revision

RULES = {
    "check_leases": "deliveries are under way and leased to nobody",
    "check_leases_of_none": "leases are of deliveries that are not under way",
}
"""What only a fleet has."""


def check_database(database: Database, objects_url: str = "") -> list[Finding]:
    """What is wrong in the store in *database*; nothing of it is changed.

    Large octets are in the object store at *objects_url*; empty: in the database.
    Raises `StoreUnusableError` where there is nothing that could be checked.
    """
    try:
        with closing(Link.patient(database)) as link:
            check_revision(link)
            with link.transaction():
                link.raw.execute(
                    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
                )
                return [
                    *findings(link, _octets_of(link, objects_url)),
                    *_of_fleet(link),
                ]
    except DRIVER_ERRORS as error:
        raise StoreAway(f"the database can't be used: {error}") from error


def _of_fleet(link: Link) -> Iterator[Finding]:
    for rule, what in RULES.items():
        yield from found_by(link.run(rule).fetchall(), what)


def _octets_of(link: Link, objects_url: str) -> HasOctets:
    if objects_url:
        from postroom_server.outbox.postgres.objects import has_object, object_store

        return partial(has_object, object_store(objects_url))
    sizes: dict[str, int] = dict(link.run("check_sizes").fetchall())

    def has(sha256: str, size: int) -> bool:
        found = sizes.get(sha256)
        return found is not None and (not size or found == size)

    return has
