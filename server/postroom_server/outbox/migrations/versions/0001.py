"""The tables of the first version."""

from __future__ import annotations

from alembic import op
from postroom_server.outbox.migrating import CURRENT

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in CURRENT.of_file(revision):
        op.execute(statement)
