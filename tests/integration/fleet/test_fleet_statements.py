"""What the driver believes to be prepared, when the database does not."""

from __future__ import annotations

import pytest
from postroom_server.domain.errors import NotReady
from postroom_server.outbox.errors import DatabaseTrouble

from tests.support.builders import a_finish
from tests.support.outboxes import accept

PAUSE = ("main", "why", "who", 1)
NOBODY = (None,) * 4
MANY = 6
"""How often a statement is run until the driver has it prepared."""


def test_a_statement_behind_one_that_failed_can_be_run_again(join):
    with join()._readers.lend() as link:
        # The driver looks at a rollback only when it is new to it.
        link.execute("BEGIN")
        link.execute("ROLLBACK")
        for _ in range(MANY - 1):
            link.write_together([("put_pause", [PAUSE])])
        link.execute("BEGIN")
        with pytest.raises(DatabaseTrouble):
            link.write_together([("add_recipient", [NOBODY]), ("put_pause", [PAUSE])])
        link.execute("ROLLBACK")

        assert link.write_together([("put_pause", [PAUSE])]) == [1]


def test_a_connection_that_answers_and_is_of_no_use_is_replaced(join):
    outbox = join()
    for _ in range(MANY):
        outbox.save(a_finish(accept(outbox, leased=True)))
    writer = outbox._committer._writer
    writer._link.raw.pgconn.exec_(b"DEALLOCATE ALL")

    with pytest.raises(NotReady):
        accept(outbox)
    assert outbox.save(a_finish(accept(outbox, leased=True)))
