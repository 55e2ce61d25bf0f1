"""Whose marks tell of an attempt."""

from __future__ import annotations

from alembic import op
from postroom_server.outbox.migrating import CURRENT

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in CURRENT.of_file(revision):
        op.execute(statement)
