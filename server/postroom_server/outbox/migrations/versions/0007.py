"""What processes ask of each other."""

from __future__ import annotations

from alembic import op
from postroom_server.outbox.migrating import CURRENT

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in CURRENT.of_file(revision):
        op.execute(statement)
