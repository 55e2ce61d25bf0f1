"""Alembic's entry: one store, one connection, one transaction."""

from __future__ import annotations

from alembic import context
from postroom_server.outbox.schema import metadata
from sqlalchemy import URL, NullPool, create_engine

url = URL.create("sqlite", database=str(context.config.attributes["path"]))
engine = create_engine(url, poolclass=NullPool)
with engine.connect() as connection:
    # The driver would open no transaction for DDL by itself, and half a migration
    # could be stored.
    connection.exec_driver_sql("PRAGMA synchronous = FULL")
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    context.configure(connection=connection, target_metadata=metadata)
    context.run_migrations()
    connection.commit()
