"""What Alembic runs; migrate.py hands it the transaction that everything happens in."""

from alembic import context

from tagging.store.database.migrate import VERSION_TABLE
from tagging.store.database.schema import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, version_table=VERSION_TABLE
)
context.run_migrations()
