"""Counts of a fleet: whoever adds to the same rows locks them in the same order."""

from __future__ import annotations

from contextlib import closing

from postroom_server.domain.counters import COUNTED
from postroom_server.outbox.postgres.connecting import Database, Link
from postroom_server.outbox.postgres.writer import sorted_rows


def test_counts_are_added_in_the_order_of_programs_from_before(join, url):
    join()
    rows = {"add_counter": [("b", "acme", *range(1, 18)), ("a", "acme", *[1] * 17)]}
    with closing(Link.patient(Database(url))) as link:
        link.write_together([("add_counter", sorted_rows("add_counter", rows))])
        # Where each lies tells when it was locked.
        found = link.execute("SELECT relay, name FROM counter ORDER BY ctid").fetchall()

    # Those sorted what they added by its key: two of either kind must not wait for
    # each other.
    assert [tuple(row) for row in found] == [
        (relay, name) for relay in ("a", "b") for name in sorted(COUNTED)
    ]
