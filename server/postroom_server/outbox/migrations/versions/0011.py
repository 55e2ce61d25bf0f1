"""Less to write for each mail."""

from __future__ import annotations

from alembic import op
from postroom_server.outbox.migrating import CURRENT

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in CURRENT.of_file(revision):
        op.execute(statement)
