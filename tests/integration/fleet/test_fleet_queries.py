"""Every query of the outbox is one that PostgreSQL understands."""

from __future__ import annotations

import re

import psycopg
import pytest
from postroom_server.outbox.postgres.connecting import Link
from postroom_server.outbox.postgres.dialect import for_rows, translated
from postroom_server.outbox.statements import queries

PIECES = {"of_recipient", "of_label"}
"""Conditions, not queries of their own."""
SQLITES_OWN = {"count_repair", "change_delivery_alone"}
_EACH = re.compile(r"EACH\(([^)]*)\)")
_NAME = re.compile(r"%\((\w+)\)s")


@pytest.fixture
def link(join) -> Link:
    outbox = join()
    with outbox._readers.lend() as lent:
        yield lent


@pytest.mark.parametrize("name", sorted({*queries()} - PIECES - SQLITES_OWN))
def test_a_query_is_understood(link, name):
    text = queries()[name]
    each = _EACH.search(text)
    if each:
        sql, values = for_rows(name, [(None,) * each[1].count("?")])
    else:
        sql = translated(text)
        names = set(_NAME.findall(sql))
        values = dict.fromkeys(names) if names else (None,) * sql.count("%s")
    with link.raw.transaction(force_rollback=True):
        try:
            link.raw.execute(sql, values)
        except psycopg.IntegrityError:
            # Nothing but NULL was asked for.
            return
