"""The common buckets over a database that went away and forgot some of them."""

from __future__ import annotations

from functools import partial

import psycopg
import pytest
from postroom_server.domain.pacing import Rate
from postroom_server.outbox.errors import DatabaseTrouble
from postroom_server.outbox.leased_tokens import Ask
from postroom_server.outbox.postgres.buckets import PostgresBuckets
from postroom_server.outbox.postgres.connecting import Database, Link

ASK = Ask("relay:main", Rate(1.0, 10.0), want=1, held=0, back=0)


def test_a_bucket_that_the_database_forgot_in_its_crash_is_opened_again(join, url):
    join()
    buckets = PostgresBuckets(partial(Link.to, Database(url), str))
    try:
        assert buckets.serve([ASK])[ASK.scope].granted == 1
        with psycopg.connect(url) as database:
            database.execute("DELETE FROM bucket")
            database.execute(
                "SELECT pg_terminate_backend(%s)", (buckets._link.raw.info.backend_pid,)
            )
        with pytest.raises(DatabaseTrouble):
            buckets.serve([ASK])

        assert buckets.serve([ASK])[ASK.scope].granted == 1
    finally:
        buckets.close()
