"""Alembic's entry: one store, one connection, one transaction."""

from __future__ import annotations

from alembic import context
from postroom_server.outbox.schema import metadata
from sqlalchemy import NullPool, create_engine

engine = create_engine(
    f"sqlite:///{context.config.attributes['path']}", poolclass=NullPool
)
with engine.connect() as connection:
    # The driver would open no transaction for DDL by itself, and half a migration
    # could be stored.
    connection.exec_driver_sql("PRAGMA synchronous = FULL")
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    context.configure(connection=connection, target_metadata=metadata)
    context.run_migrations()
    connection.exec_driver_sql("COMMIT")
