"""Run by Alembic: uses the transaction of :func:`quanheng.store.database.migrate`."""

from __future__ import annotations

from alembic import context

from quanheng.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    compare_type=True,
)
context.run_migrations()
