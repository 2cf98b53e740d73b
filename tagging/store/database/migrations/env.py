"""Alembic environment; migrate.py passes the transaction in which all migrations run."""

from alembic import context

from tagging.store.database.migrate import VERSION_TABLE
from tagging.store.database.schema import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, version_table=VERSION_TABLE
)
context.run_migrations()
