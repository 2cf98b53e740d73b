"""Tables as this version of videotag wants them: Alembic's migrations, whole or not at all.

Each is a file of migrations/versions/, written by hand; a test holds that together they lead to schema.py.
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

VERSION_TABLE = "videotag_revision"  # others keep theirs in `alembic_version`, perhaps in the same database
MIGRATION_TIMEOUT_S = 3600.0  # for large tables, and for another process that does the same
LOCK = 0x76696465  # any number that no other program takes for its advisory lock; "vide"


async def migrate(config: DatabaseConfig) -> None:
    """Makes the tables, or renews older ones; several processes may do so at once. A new file's folder is made, too.

    Raises DatabaseMismatchError for tables of a newer version, and what Database raises.
    """
    await _change(config, command.upgrade, "head")


async def revert(config: DatabaseConfig, revision: str) -> None:
    """Goes back to the tables of an older version, "base": none. What those have no place for is lost."""
    await _change(config, command.downgrade, revision)


async def require_current(database: Database) -> None:
    """Raises DatabaseMismatchError where the tables are not those of this version, and what Database raises."""
    if database.file and not database.file.exists():  # which connecting would make
        raise DatabaseMismatchError(f"there is no database {database.display_name}", "migrate it first")
    found = await database.read(_revision)
    wanted = _scripts().get_current_head()
    if found != wanted:
        _require_known(found, database.display_name)
        state = f"is at revision {found}" if found else "has no tables of videotag"
        raise DatabaseMismatchError(
            f"the database {database.display_name} {state}; this version needs {wanted}", "migrate it first"
        )


async def _change(config: DatabaseConfig, change: Callable[[AlembicConfig, str], None], revision: str) -> None:
    limits = ("wait_timeout_s", "statement_timeout_s", "answer_timeout_s")
    patient = config.model_copy(update=dict.fromkeys(limits, MIGRATION_TIMEOUT_S))
    database = Database(patient)

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
