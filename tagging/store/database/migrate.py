"""Schema migrations with Alembic, in one transaction.

Each is a hand-written file in migrations/versions/; a test checks that together they produce schema.py.
"""

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from tagging.errors import DatabaseMismatchError, OutputUnwritableError
from tagging.store.database.config import DatabaseConfig
from tagging.store.database.database import Database

VERSION_TABLE = "videotag_revision"  # other programs may keep `alembic_version` in the same database
MIGRATION_TIMEOUT_S = 3600.0  # for large tables, and for another migrating process
LOCK = 0x76696465  # advisory lock number, unlikely to be used by other programs; "vide"
MIGRATE = "run `videotag service migrate --database URL`, or start a service of it, first"


async def migrate(config: DatabaseConfig) -> None:
    """Create or upgrade the tables, and the folder of a new file; several processes may do so at once.

    Raises DatabaseMismatchError for tables of a newer version, and the errors of Database.
    """
    await _change(config, command.upgrade, "head")


async def revert(config: DatabaseConfig, revision: str) -> None:
    """Downgrade to the tables of an older revision; "base": no tables.

    Data that the older tables cannot hold are lost.
    """
    await _change(config, command.downgrade, revision)


async def require_current(database: Database) -> None:
    """Raise DatabaseMismatchError unless the tables have the revision of this version, or an error of Database."""
    if database.file and not database.file.exists():  # connecting would create it
        raise DatabaseMismatchError(f"there is no database {database.display_name}", MIGRATE)
    found = await database.read(_revision)
    wanted = _scripts().get_current_head()
    if found != wanted:
        _require_known(found, database.display_name)
        state = f"is at revision {found}" if found else "has no tables of videotag"
        raise DatabaseMismatchError(
            f"the database {database.display_name} {state}; this version needs {wanted}", MIGRATE
        )


async def _change(config: DatabaseConfig, change: Callable[[AlembicConfig, str], None], revision: str) -> None:
    database = Database(config.patient(MIGRATION_TIMEOUT_S))

    def run(connection: Connection) -> None:
        if not database.file:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        _require_known(_revision(connection), database.display_name)
        alembic = _alembic()
        alembic.attributes["connection"] = connection
        change(alembic, revision)

    try:
        if database.file:
            _make_folder(database.file.parent)
        await database.write(run)
    finally:
        await database.close()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputUnwritableError(f"{folder} cannot be made: {error.strerror}", "choose another place") from error


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()


def _require_known(revision: str | None, display_name: str) -> None:
    known = {script.revision for script in _scripts().walk_revisions()}
    if revision is not None and revision not in known:
        raise DatabaseMismatchError(
            f"the database {display_name} is at revision {revision}, which this version of videotag does not know",
            "a newer version made it: run that one, or restore a backup",
        )


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_alembic())


def _alembic() -> AlembicConfig:
    config = AlembicConfig()
    folder = Path(__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
